//! `history`: one signal of one subject over a span of time.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::Failure;
use super::client::Target;
use super::past::Root;
use super::plot::{self, Picture};
use crate::clock::Clock;
use crate::forward::json::{Number, Scaled, Time};
use crate::history::{Account, Answer, Past, Question, Step, Stepped};
use crate::store::fs::Disk;
use crate::terminal::{Out, complain, prompt, say};
use crate::units::when::{self, When};
use crate::units::{count, parse_duration, render_duration};

/// Segments from which on a search says how far it is.
const LONG: usize = 64;
/// Columns of a picture in a file.
const SVG_COLUMNS: u16 = 600;
/// What `--from` is before `--to` unless it is given.
const SPAN: Duration = Duration::from_hours(24);

/// What is asked, and how it is told.
#[derive(Args)]
pub(super) struct History {
    /// The subject's id.
    subject: String,
    /// The signal's name, as in the halo.
    signal: String,
    /// Begin with this time [default: 24 hours before --to].
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    from: Option<When>,
    /// End before this time [default: now].
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    to: Option<When>,
    /// Only what had arrived by then [default: all there is].
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    arrived_by: Option<When>,
    /// One line for each step of this length, e.g. 10m: number, least, mean and greatest of its good readings.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    step: Option<Duration>,
    /// Comma-separated values with a heading.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// A picture on the terminal, as wide as it is.
    #[arg(long, conflicts_with_all = ["csv", "json"])]
    plot: bool,
    /// A picture in this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["csv", "json"])]
    svg: Option<PathBuf>,
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    target: Target,
}

/// In which form.
#[derive(Clone, Copy)]
enum Form {
    Table,
    Csv,
    Json,
}

pub(super) fn run(history: &History) -> Result<ExitCode, Failure> {
    let past = history.root.open(&history.target)?;
    let question = history.question()?;
    if history.plot || history.svg.is_some() {
        return history.draw(&past, &question);
    }
    let mut out = BufWriter::new(Out);
    let written = match history.step {
        Some(step) => {
            let step_ms = milliseconds(step);
            let (stepped, account) = past.steps(&question, step_ms, progress())?;
            tell(&past, &account);
            history.steps(&question, &stepped, &mut out)
        }
        None => {
            let (answer, account) = past.readings(&question, progress())?;
            tell(&past, &account);
            history.readings(&question, &answer, &mut out)
        }
    };
    // What is left of a failed write is not tried again; `Out` has noted why it failed.
    match written {
        Ok(()) => drop(out.flush()),
        Err(_) => drop(out.into_parts()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Says on a terminal how far a long search is.
pub(super) fn progress() -> impl FnMut(usize, usize) {
    let shows = io::stderr().is_terminal();
    move |done, total| {
        if shows && total >= LONG {
            prompt(format_args!("\r{done} of {total} segments"));
            if done == total {
                prompt(format_args!("\r{:40}\r", ""));
            }
        }
    }
}

/// What the answer may lack, on stderr.
fn tell(past: &Past<Disk>, account: &Account) {
    for finding in past.archive().findings().iter().chain(&account.sought.findings) {
        complain(format_args!("damage in the log: {finding}"));
    }
    if account.unread > 0 {
        complain(format_args!(
            "{} left out: the births that describe them are not in the log any more",
            count(account.unread, "frame")
        ));
    }
}

fn milliseconds(step: Duration) -> i64 {
    i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1)
}

impl History {
    fn draw(&self, past: &Past<Disk>, question: &Question) -> Result<ExitCode, Failure> {
        if self.plot {
            let width = plot::terminal_width();
            // Two dots fit beside each other in one character.
            say(self.picture(past, question, width.saturating_mul(2))?.lines(width).trim_end());
        }
        if let Some(path) = &self.svg {
            let svg = self.picture(past, question, SVG_COLUMNS)?.svg();
            std::fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
            say(format_args!("written to {}", path.display()));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn picture(&self, past: &Past<Disk>, question: &Question, columns: u16) -> Result<Picture, Failure> {
        let span_ms = question.span_ms.end.saturating_sub(question.span_ms.start);
        let step_ms = self.step.map_or((span_ms / i64::from(columns)).max(1), milliseconds);
        let (stepped, account) = past.steps(question, step_ms, progress())?;
        tell(past, &account);
        let n = stepped.steps.values().map(|step| step.n).sum();
        let devices = stepped.devices.iter().map(|device| &**device);
        let point = |(begins, step): (&i64, &Step)| (begins + step_ms / 2, [step.min, step.mean(), step.max]);
        Ok(Picture {
            title: heading(question, count(n, "good reading"), None, devices),
            unit: stepped.unit().unwrap_or_default().to_owned(),
            from_ms: question.span_ms.start,
            until_ms: question.span_ms.end,
            points: stepped.steps.iter().map(point).collect(),
        })
    }

    fn question(&self) -> Result<Question, Failure> {
        let now_ms = Clock::system().now().wall_ms;
        let to_ms = self.to.map_or(now_ms, |to| to.at(now_ms));
        let span_ms = i64::try_from(SPAN.as_millis()).unwrap_or(i64::MAX);
        let from_ms = self.from.map_or(to_ms.saturating_sub(span_ms), |from| from.at(now_ms));
        if from_ms >= to_ms {
            return Err(format!("--from {} is not before --to {}", Time(from_ms), Time(to_ms)).into());
        }
        let arrived_by_ms = self.arrived_by.map_or(i64::MAX, |by| by.at(now_ms));
        let (subject, signal) = (self.subject.clone(), self.signal.clone());
        Ok(Question { subject, signal, span_ms: from_ms..to_ms, arrived_by_ms })
    }

    fn form(&self) -> Form {
        match (self.csv, self.target.json) {
            (true, _) => Form::Csv,
            (_, true) => Form::Json,
            _ => Form::Table,
        }
    }

    fn readings(&self, question: &Question, answer: &Answer, out: &mut impl Write) -> io::Result<()> {
        let form = self.form();
        match form {
            Form::Csv => writeln!(out, "time,value,unit,device,quality,offset")?,
            Form::Json => {}
            Form::Table => {
                let devices = answer.devices().iter().map(|device| &**device);
                let n = answer.readings.len() as u64;
                writeln!(out, "{}", heading(question, count(n, "reading"), answer.unit(), devices))?;
            }
        }
        for reading in &answer.readings {
            let Some(signal) = answer.signal(reading) else { continue };
            let value = json!(Scaled { raw: reading.raw, num: signal.num, den: signal.den });
            let (time, device, quality) = (Time(reading.event_ms), answer.device(reading), reading.quality.as_str());
            let unit = &*signal.unit;
            match form {
                Form::Csv => writeln!(out, "{time},{value},{},{device},{quality},{}", field(unit), reading.offset)?,
                Form::Json => writeln!(
                    out,
                    "{}",
                    json!({"time": time, "value": value, "unit": unit, "device": device, "quality": quality, "offset": reading.offset.0})
                )?,
                Form::Table => {
                    let mark = if quality == "good" { "" } else { quality };
                    let line = format!("{time}  {:>12} {unit:<6}  {device}  {mark}", value.to_string());
                    writeln!(out, "{}", line.trim_end())?;
                }
            }
        }
        if answer.readings.is_empty() {
            nothing(question, answer);
        }
        Ok(())
    }

    fn steps(&self, question: &Question, stepped: &Stepped, out: &mut impl Write) -> io::Result<()> {
        let form = self.form();
        let unit = stepped.unit().unwrap_or_default();
        match form {
            Form::Csv => writeln!(out, "time,n,min,mean,max,unit")?,
            Form::Json => {}
            Form::Table => {
                let n = stepped.steps.values().map(|step| step.n).sum();
                let devices = stepped.devices.iter().map(|device| &**device);
                writeln!(out, "{}", heading(question, count(n, "good reading"), stepped.unit(), devices))?;
                writeln!(out, "{:<24}  {:>8}  {:>12}  {:>12}  {:>12}", "FROM", "N", "MIN", "MEAN", "MAX")?;
            }
        }
        for (begins, step) in &stepped.steps {
            let (time, [min, mean, max]) = (Time(*begins), [step.min, step.mean(), step.max].map(Number));
            match form {
                Form::Csv => {
                    let [min, mean, max] = [min, mean, max].map(|it| json!(it));
                    writeln!(out, "{time},{},{min},{mean},{max},{}", step.n, field(unit))?;
                }
                Form::Json => writeln!(
                    out,
                    "{}",
                    json!({"time": time, "n": step.n, "min": min, "mean": mean, "max": max, "unit": unit})
                )?,
                Form::Table => {
                    let [min, mean, max] = [min, mean, max].map(|Number(it)| short(it));
                    writeln!(out, "{time}  {:>8}  {min:>12}  {mean:>12}  {max:>12}", step.n)?;
                }
            }
        }
        Ok(())
    }
}

/// What is shown: how much, of what, when, from whom.
fn heading<'a>(
    question: &Question,
    count: String,
    unit: Option<&str>,
    devices: impl Iterator<Item = &'a str>,
) -> String {
    let Question { subject, signal, span_ms, .. } = question;
    let unit = unit.filter(|unit| !unit.is_empty()).map_or_else(String::new, |unit| format!(" in {unit}"));
    let devices = devices.collect::<Vec<_>>().join(", ");
    let devices = if devices.is_empty() { devices } else { format!(", by {devices}") };
    let long = Duration::from_millis(span_ms.end.saturating_sub(span_ms.start).unsigned_abs());
    let (from, to, long) = (Time(span_ms.start), Time(span_ms.end), render_duration(long));
    format!("{signal} of {subject}{unit}, {from} to {to} ({long}): {count}{devices}")
}

/// Helps whoever mistyped a name; on stderr, so that a file of readings stays one.
fn nothing(question: &Question, answer: &Answer) {
    let Question { subject, signal, .. } = question;
    let others = answer.others.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
    if others.is_empty() {
        complain(format_args!(
            "no readings of {subject} then: `halo-gateway subject list` shows whom the gateway knows"
        ));
    } else {
        complain(format_args!("no readings of {signal} then; {subject} has {others}"));
    }
}

/// A number for people: six digits that count.
pub(super) fn short(value: f64) -> String {
    let whole = value.abs().max(1.0).log10() as usize;
    let text = format!("{value:.*}", 5_usize.saturating_sub(whole));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A field of comma-separated values (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people_have_six_digits_that_count() {
        let shown = [0.0, 72.0, 71.934_261_4, 0.000_12, -1234.5678, 1_234_567.8].map(short);
        assert_eq!(shown, ["0", "72", "71.9343", "0.00012", "-1234.57", "1234568"]);
    }

    #[test]
    fn a_field_that_holds_a_comma_is_quoted() {
        assert_eq!([field("/min"), field("a,\"b\"")], ["/min".to_owned(), "\"a,\"\"b\"\"\"".to_owned()]);
    }
}
