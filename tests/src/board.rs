//! A Cortex-M4 board in qemu: builds its image and runs it, with its serial line as a pair of pipes.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::clock::until;
use crate::{Failure, skip};

const EMULATOR: &str = "qemu-system-arm";
const TARGET: &str = "thumbv7em-none-eabihf";
/// Longest wait for an image to end once it has done its work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether boards can be emulated and their images built here; says loudly what is missing.
pub fn is_here() -> bool {
    let emulator = Command::new(EMULATOR).arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success());
    if !emulator {
        skip("qemu-system-arm is not installed");
        return false;
    }
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let folder = libraries.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let target = !folder.is_empty() && Path::new(&folder).is_dir();
    if !target {
        skip("the target thumbv7em-none-eabihf is not installed");
    }
    target
}

/// Builds the program `name` of `proto/cortex-m` in a target folder of its own. The next build of the same name and profile
/// replaces it, whatever its features.
///
/// # Errors
/// It does not build.
pub fn image(name: &str, profile: &str, features: &[&str]) -> Result<PathBuf, Failure> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/cortex-m");
    // target/debug/deps/test: beside what this program was built into.
    let this = std::env::current_exe()?;
    let folder = this.ancestors().nth(3).ok_or("this program is nowhere")?.join("cortex-m");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--bin", name, "--profile", profile, "--target", TARGET])
        .args(["--features", &features.join(",")])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(package)
        .status()?;
    if !built.success() {
        return Err(format!("the image {name} does not build").into());
    }
    Ok(folder.join(TARGET).join(profile).join(name))
}

/// Bytes of flash an image takes: vectors, code, constants, and what is copied into memory at the start.
///
/// # Errors
/// It is not an ELF file for a processor of 32 bits, lower byte first.
pub fn flash(image: &Path) -> Result<u32, Failure> {
    let bytes = std::fs::read(image)?;
    sections(&bytes).ok_or_else(|| format!("{} is not an ELF file of 32 bits", image.display()).into())
}

/// Sizes of the sections with contents that are there while the program runs, added up.
fn sections(elf: &[u8]) -> Option<u32> {
    const OFFSET: usize = 0x20;
    const ENTRY_LEN: usize = 0x2E;
    const ENTRIES: usize = 0x30;
    const PROGBITS: u32 = 1;
    const ALLOC: u32 = 2;
    if !elf.starts_with(b"\x7fELF\x01\x01") {
        return None;
    }
    let word = |at: usize| Some(u32::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?)));
    let (first, entry_len) = (usize::try_from(word(OFFSET)?).ok()?, half(ENTRY_LEN)?);
    (0..half(ENTRIES)?).map(|entry| first + entry * entry_len).try_fold(0, |sum, section| {
        let (kind, flags, size) = (word(section + 4)?, word(section + 8)?, word(section + 20)?);
        Some(if kind == PROGBITS && flags & ALLOC != 0 { sum + size } else { sum })
    })
}

/// A running board; switched off when it goes out of scope.
pub struct Board(Child);

impl Board {
    /// Starts an image whose serial line is connected to this program.
    ///
    /// # Errors
    /// The emulator does not start.
    pub fn start(image: &Path) -> Result<(Self, ChildStdin, BufReader<ChildStdout>), Failure> {
        let child = Command::new(EMULATOR)
            .args(["-machine", "mps2-an386", "-icount", "shift=0", "-semihosting", "-display", "none"])
            .args(["-monitor", "none", "-serial", "stdio", "-kernel"])
            .arg(image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut board = Self(child);
        let to = board.0.stdin.take().ok_or("stdin is not piped")?;
        let from = board.0.stdout.take().ok_or("stdout is not piped")?;
        Ok((board, to, BufReader::new(from)))
    }

    /// Waits for the image to end by itself.
    ///
    /// # Errors
    /// It does not end.
    pub fn end(mut self) -> Result<ExitStatus, Failure> {
        until("the end of the image", PATIENCE, || self.0.try_wait().ok().flatten())
    }

    /// Runs an image to its end; what it printed.
    ///
    /// # Errors
    /// It fails or does not end.
    pub fn run(image: &Path) -> Result<String, Failure> {
        let (board, _to, mut from) = Self::start(image)?;
        let mut said = String::new();
        from.read_to_string(&mut said)?;
        let ended = board.end()?;
        if ended.success() { Ok(said) } else { Err(format!("the image ended with {ended} and said {said:?}").into()) }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // Ended and reaped already, or left behind by a failing test.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
