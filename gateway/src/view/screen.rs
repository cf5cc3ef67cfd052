//! The terminal, and the only file that names its library.

use std::io::{self, IsTerminal, Stdout, stdin, stdout};
use std::mem::ManuallyDrop;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Once};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use tokio::sync::mpsc;

use super::draw::draw;
use super::model::{Key, Model};
use crate::store::state::is_guarded;
use crate::terminal::{HeldLogs, hold_logs, say_later};

/// Keys that wait: more than anybody types in one frame.
const KEYS_MAX: usize = 64;
/// How long a look for keys takes before it asks whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// Whether the terminal is in our hands; the panic hook asks.
static UP: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What comes from the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A key that means something.
    Key(Key),
    /// The size is another one.
    Resized,
    /// There is no terminal any more.
    Gone,
}

/// A terminal that shows pictures; dropping it puts everything back and says what was logged meanwhile.
pub(crate) struct Screen {
    /// Never dropped: on a terminal that is gone its drop panics, and [`put_back`] does what it would do.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    inputs: mpsc::Receiver<Input>,
    over: Arc<AtomicBool>,
    looked: Receiver<()>,
    /// Dropped last, when lines can be read again.
    _logs: HeldLogs,
}

/// Whether there is a terminal that can show a picture and take keys.
pub(crate) fn can_show() -> bool {
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    stdout().is_terminal() && stdin().is_terminal() && !dumb
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it does not do as it is told; it is then as it was.
    pub(crate) fn open() -> io::Result<Self> {
        HOOK.call_once(hook);
        let logs = hold_logs();
        UP.store(true, Ordering::SeqCst);
        let opened = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())))
            .and_then(|terminal| Ok((terminal, Keys::start()?)));
        let (terminal, Keys { inputs, over, looked }) = opened.inspect_err(|_| put_back())?;
        Ok(Self { terminal: ManuallyDrop::new(terminal), inputs, over, looked, _logs: logs })
    }

    /// Shows a model.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn show(&mut self, model: &Model) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, model)).map(drop)
    }

    /// The next thing the user does. Cancel safe.
    pub(crate) async fn input(&mut self) -> Input {
        self.inputs.recv().await.unwrap_or(Input::Gone)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // What is still typed belongs to whoever reads the terminal next.
        // Of a terminal that is gone the library may never come back: then nobody types either.
        self.looked.recv_timeout(LOOK * 5).unwrap_or_default();
        put_back();
    }
}

struct Keys {
    inputs: mpsc::Receiver<Input>,
    over: Arc<AtomicBool>,
    /// Ends with the thread that looks for keys.
    looked: Receiver<()>,
}

impl Keys {
    fn start() -> io::Result<Self> {
        let (sender, inputs) = mpsc::channel(KEYS_MAX);
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let (looking, looked) = sync_channel(1);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            look(&sender, &ends);
            drop(looking);
        })?;
        Ok(Self { inputs, over, looked })
    }
}

fn look(sender: &mpsc::Sender<Input>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let input = match event::poll(LOOK).and_then(|any| if any { event::read().map(Some) } else { Ok(None) }) {
            Ok(Some(Event::Key(key))) => meaning(&key).map(Input::Key),
            Ok(Some(Event::Resize(..))) => Some(Input::Resized),
            Ok(_) => None,
            Err(_) => Some(Input::Gone),
        };
        match input {
            None => {}
            // Keys beyond a full queue are lost: somebody leans on the keyboard.
            Some(input) if input != Input::Gone => sender.try_send(input).unwrap_or_default(),
            Some(gone) => {
                // Whoever does not listen any more knows.
                sender.try_send(gone).unwrap_or_default();
                return;
            }
        }
    }
}

fn meaning(key: &KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(Key::End);
    }
    Some(match key.code {
        KeyCode::Char('q' | 'Q') => Key::Quit,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Key::Help,
        KeyCode::Char('p' | ' ') => Key::Pause,
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right => Key::OtherPane,
        KeyCode::Enter => Key::Open,
        KeyCode::Esc | KeyCode::Backspace => Key::Back,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Key::First,
        KeyCode::End | KeyCode::Char('G') => Key::Last,
        _ => return None,
    })
}

/// As it was before. A terminal that is gone needs nothing.
fn put_back() {
    if UP.swap(false, Ordering::SeqCst) {
        drop(execute!(stdout(), LeaveAlternateScreen, Show));
        drop(disable_raw_mode());
    }
}

/// A panic is said where it can be read: at once, with the terminal put back, when it ends the program; otherwise, in a
/// thread whose work is watched over, when the screen goes.
fn hook() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // An error will say it.
        if is_guarded() {
            return;
        }
        let ends_all = std::thread::current().name() == Some("main");
        if UP.load(Ordering::SeqCst) && !ends_all && say_later(&info.to_string()) {
            return;
        }
        put_back();
        before(info);
    }));
}
