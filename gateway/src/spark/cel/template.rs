//! A text with expressions in it: `Your {offer.name} is ready at {offer.place}`.

use std::mem::size_of_val;

use super::TEXT_BYTES_MAX;
use super::check::{Wanted, program};
use super::code::Program;
use super::error::{CelError, Failure, Reason};
use super::schema::Schema;
use super::show::show;
use super::source::{Source, quoted_until};
use super::value::Facts;

/// Longest text that a template makes; what is behind is cut off, between two characters.
pub const RENDERED_BYTES_MAX: usize = 1_024;

/// What stands for a value that is not known, or failed.
const UNKNOWN: &str = "?";

/// A text with expressions in braces; `{{` and `}}` are braces themselves.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<str>),
    Value(Program),
}

/// What a template made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// [`RENDERED_BYTES_MAX`] at most, with `?` for what is not known or failed.
    pub text: String,
    /// The first of the expressions that failed.
    pub failure: Option<Failure>,
}

impl Template {
    /// Checks a template; its expressions may give any scalar.
    ///
    /// # Errors
    /// A brace without its other, and what [`Program::compile`] says of the expressions, with places in the template.
    pub fn compile(text: &str, schema: &mut dyn Schema) -> Result<Template, CelError> {
        let source = Source::new(text);
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("the template has {} bytes, {TEXT_BYTES_MAX} are allowed", text.len());
            return Err(source.error(0, what));
        }
        let (mut pieces, mut plain, mut at) = (Vec::new(), String::new(), 0);
        while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let next = at + first.len_utf8();
            let is_twice = text.get(next..).is_some_and(|rest| rest.starts_with(first));
            match first {
                '{' | '}' if is_twice => {
                    plain.push(first);
                    at = next + 1;
                }
                '{' => {
                    let end = closing(text, next).ok_or_else(|| source.error(at, "`{` without `}`"))?;
                    pieces.extend((!plain.is_empty()).then(|| Piece::Text(std::mem::take(&mut plain).into())));
                    pieces.push(Piece::Value(program(source.part(next, end), schema, Wanted::Scalar)?));
                    at = end + 1;
                }
                '}' => return Err(source.error(at, "`}` without `{`; `}}` is a brace in the text")),
                other => {
                    plain.push(other);
                    at = next;
                }
            }
        }
        pieces.extend((!plain.is_empty()).then(|| Piece::Text(plain.into())));
        Ok(Template { pieces: pieces.into() })
    }

    /// What its expressions read; what two of them read, twice.
    pub fn slots(&self) -> impl Iterator<Item = u16> + '_ {
        self.pieces
            .iter()
            .filter_map(|piece| if let Piece::Value(program) = piece { Some(program) } else { None })
            .flat_map(Program::slots)
    }

    /// Makes the text. One budget is for all of its expressions.
    pub fn render(&self, facts: &dyn Facts, budget: &mut u32) -> Rendered {
        let (mut text, mut failure) = (String::new(), None);
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Value(program) => match shown(program, facts, budget) {
                    Ok(Some(value)) => text.push_str(&value),
                    Ok(None) => text.push_str(UNKNOWN),
                    Err(why) => {
                        text.push_str(UNKNOWN);
                        failure = failure.or(Some(why));
                    }
                },
            }
            if text.len() > RENDERED_BYTES_MAX {
                text.truncate(text.floor_char_boundary(RENDERED_BYTES_MAX));
                break;
            }
        }
        Rendered { text, failure }
    }

    /// Bytes it takes, itself included.
    pub fn memory_bytes(&self) -> usize {
        let inside = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Value(program) => program.memory_bytes() - size_of_val(program),
        });
        size_of_val(self) + size_of_val(&*self.pieces) + inside.sum::<usize>()
    }
}

fn shown(program: &Program, facts: &dyn Facts, budget: &mut u32) -> Result<Option<String>, Failure> {
    let Some(value) = program.run(facts, budget)? else { return Ok(None) };
    let place = program.places.last().copied();
    let failed = |reason: Reason| Failure { place: place.unwrap_or(super::Place { line: 1, column: 1 }), reason };
    show(&value).map(|text| Some(text.into_owned())).map_err(failed)
}

/// The brace that ends an expression; those in its texts do not.
fn closing(text: &str, mut at: usize) -> Option<usize> {
    loop {
        if let Some(end) = quoted_until(text, at) {
            at = end;
            continue;
        }
        let found = text.get(at..)?.chars().next()?;
        if found == '}' {
            return Some(at);
        }
        at += found.len_utf8();
    }
}
