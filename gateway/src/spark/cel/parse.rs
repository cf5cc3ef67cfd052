//! From text to tree. The one file that knows the crate `cel`: its grammar and its macros, nothing else of it.

use ::cel::common::ast::{CallExpr, ComprehensionExpr, Expr as Ast, IdedExpr, LiteralValue, SourceInfo, operators};
use ::cel::parser::{ParseErrors, Parser};

use super::error::CelError;
use super::source::{Source, brackets, quoted_until};
use super::syntax::{Arithmetic, Comparison, Expr, Loop, LoopKind, Syntax};
use super::{DEPTH_MAX, NESTING_MAX, TEXT_BYTES_MAX};

/// Reads an expression.
///
/// # Errors
/// What is no CEL, what is CEL and not supported, and what is beyond the bounds.
pub(super) fn parse(source: Source<'_>) -> Result<Expr, CelError> {
    let text = source.text();
    if text.len() > TEXT_BYTES_MAX {
        return Err(source.error(0, format!("the text has {} bytes, {TEXT_BYTES_MAX} are allowed", text.len())));
    }
    nesting(source)?;
    let parser = Parser::new().max_recursion_depth(NESTING_MAX).error_recovery_limit(1);
    let (tree, info) = parser.parse_with_source_info(text).map_err(|errors| refused(source, &errors))?;
    Reader { source, info }.expr(&tree, 0)
}

/// Before the parser sees it: its stack grows with the brackets that are open.
fn nesting(source: Source<'_>) -> Result<(), CelError> {
    let mut open = 0_u16;
    for (at, bracket) in brackets(source.text()) {
        open = if matches!(bracket, '(' | '[' | '{') { open + 1 } else { open.saturating_sub(1) };
        if open > NESTING_MAX {
            return Err(source.error(at, too_deep()));
        }
    }
    Ok(())
}

fn too_deep() -> String {
    format!("nested deeper than {NESTING_MAX}")
}

/// The first error of the parser, in our words where its own are about grammars.
fn refused(source: Source<'_>, errors: &ParseErrors) -> CelError {
    let Some(first) = errors.errors.first() else { return source.error(0, "not an expression") };
    let number = |at: isize| usize::try_from(at).unwrap_or_default();
    let (line, column) = (number(first.pos.0), number(first.pos.1));
    source.error(source.offset(line, column), plain(&first.msg))
}

fn plain(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message.contains("Recursion limit") {
        return too_deep();
    }
    if message.contains("'<EOF>' expecting") {
        return "the expression ends here, and something is missing".to_owned();
    }
    if message.starts_with("invalid argument to has()") {
        return "has() asks for a field: has(a.signals.heart_rate)".to_owned();
    }
    if message.starts_with("argument must be a simple name") {
        return "the first argument of a macro is the name of its variable".to_owned();
    }
    let mut message = message.split(" expecting ").next().unwrap_or(message).to_owned();
    for grammatical in ["mismatched input", "extraneous input", "no viable alternative at input"] {
        message = message.replace(grammatical, "unexpected");
    }
    message.replace("token recognition error at: ", "cannot read ").chars().take(120).collect()
}

struct Reader<'t> {
    source: Source<'t>,
    info: SourceInfo,
}

impl Reader<'_> {
    fn expr(&self, ast: &IdedExpr, depth: usize) -> Result<Expr, CelError> {
        let at = self.at(ast);
        if depth >= DEPTH_MAX {
            return Err(self.source.error(at, format!("deeper than {DEPTH_MAX} operations in one another")));
        }
        match &ast.expr {
            Ast::Literal(literal) => Ok(Expr { at, what: self.literal(at, literal)? }),
            Ast::Ident(name) => Ok(Expr { at, what: Syntax::Name(name.clone()) }),
            Ast::Select(select) => {
                let of = Box::new(self.expr(&select.operand, depth + 1)?);
                let name = select.field.clone();
                Ok(match select.test {
                    true => Expr { at: self.field_behind(of.at, &name), what: Syntax::Has(of, name) },
                    false => Expr { at: self.name_behind(at), what: Syntax::Field(of, name) },
                })
            }
            Ast::Call(call) => self.call(at, call, depth),
            Ast::List(list) if list.optional_indices.is_empty() => {
                Ok(Expr { at, what: Syntax::List(self.each(&list.elements, depth)?) })
            }
            Ast::Comprehension(loops) => self.comprehension(self.name_before(at), loops, depth),
            Ast::Map(_) => self.unsupported(at, "maps are not supported"),
            Ast::Struct(_) => self.unsupported(at, "structs are not supported"),
            Ast::List(_) | Ast::Unspecified => self.unsupported(at, "this is not supported"),
        }
    }

    fn literal(&self, at: usize, literal: &LiteralValue) -> Result<Syntax, CelError> {
        Ok(match literal {
            LiteralValue::Boolean(truth) => Syntax::Bool(*truth.inner()),
            LiteralValue::Int(number) => Syntax::Int(*number.inner()),
            LiteralValue::UInt(number) => match i64::try_from(*number.inner()) {
                Ok(number) => Syntax::Int(number),
                Err(_) => return Err(self.source.error(at, "whole numbers have 63 bits and a sign")),
            },
            LiteralValue::Double(number) => Syntax::Double(*number.inner()),
            LiteralValue::String(text) => Syntax::Text(text.inner().to_owned()),
            LiteralValue::Bytes(_) => return self.unsupported(at, "bytes are not supported"),
            LiteralValue::Null => return self.unsupported(at, "there is no null: ask has(), or write nothing"),
        })
    }

    fn call(&self, at: usize, call: &CallExpr, depth: usize) -> Result<Expr, CelError> {
        let mut operands = self.each(call.target.as_deref().into_iter().chain(&call.args), depth)?;
        let what = match (call.func_name.as_str(), operands.len()) {
            (operators::LOGICAL_NOT, 1) => Syntax::Not(Box::new(operands.remove(0))),
            (operators::NEGATE, 1) => Syntax::Negate(Box::new(operands.remove(0))),
            (sign, 2) if binary(sign).is_some() => match (binary(sign), <Box<[Expr; 2]>>::try_from(operands)) {
                (Some(of), Ok(pair)) => of(pair),
                _ => return self.unsupported(at, "not an operator"),
            },
            (operators::CONDITIONAL, 3) => match <Box<[Expr; 3]>>::try_from(operands) {
                Ok(three) => Syntax::If(three),
                Err(_) => return self.unsupported(at, "not a conditional"),
            },
            (name, _) if name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                let name = name.to_owned();
                let what = Syntax::Call { name, method: call.target.is_some(), arguments: operands };
                return Ok(Expr { at: self.name_before(at), what });
            }
            (other, _) => return self.unsupported(at, &format!("`{}` is not supported", other.trim_matches('_'))),
        };
        Ok(Expr { at, what })
    }

    /// What the crate made of a macro, told by how its result begins.
    fn comprehension(&self, at: usize, loops: &ComprehensionExpr, depth: usize) -> Result<Expr, CelError> {
        let step = arguments(&loops.loop_step);
        let (kind, when, body) = match (&loops.accu_init.expr, step) {
            (Ast::Literal(LiteralValue::Boolean(all)), [_, body]) => {
                (if *all.inner() { LoopKind::All } else { LoopKind::Exists }, None, body)
            }
            (Ast::Literal(LiteralValue::Int(_)), [body, _, _]) => (LoopKind::ExistsOne, None, body),
            (Ast::List(_), [_, grown]) => (LoopKind::Map, None, only_element(grown)),
            (Ast::List(_), [when, more, _]) => match arguments(more) {
                [_, grown] if is_name(only_element(grown), &loops.iter_var) => (LoopKind::Filter, None, when),
                [_, grown] => (LoopKind::Map, Some(when), only_element(grown)),
                _ => return self.unsupported(at, "this macro is not supported"),
            },
            _ => return self.unsupported(at, "this macro is not supported"),
        };
        let over = self.expr(&loops.iter_range, depth + 1)?;
        let when = when.map(|when| self.expr(when, depth + 1)).transpose()?;
        let body = self.expr(body, depth + 1)?;
        let name = loops.iter_var.clone();
        Ok(Expr { at, what: Syntax::Loop(Box::new(Loop { kind, over, name, when, body })) })
    }

    fn each<'a>(&self, all: impl IntoIterator<Item = &'a IdedExpr>, depth: usize) -> Result<Vec<Expr>, CelError> {
        all.into_iter().map(|one| self.expr(one, depth + 1)).collect()
    }

    fn unsupported<T>(&self, at: usize, what: &str) -> Result<T, CelError> {
        Err(self.source.error(at, what))
    }

    /// The parser counts bytes from 0.
    fn at(&self, ast: &IdedExpr) -> usize {
        self.info.offset_for(ast.id).map_or(0, |(start, _)| start as usize)
    }

    /// A selection is told by its dot: the name behind it.
    fn name_behind(&self, dot: usize) -> usize {
        let rest = self.source.text().get(dot + 1..).unwrap_or_default();
        dot + 1 + (rest.len() - rest.trim_start().len())
    }

    /// The field that `has()` asks for is told by nothing: the first of its name behind what it is a field of.
    fn field_behind(&self, of: usize, name: &str) -> usize {
        let (text, mut at) = (self.source.text(), of);
        while let Some(found) = text.get(at..).and_then(|rest| rest.chars().next()) {
            if found == '.' && text.get(self.name_behind(at)..).is_some_and(|rest| rest.starts_with(name)) {
                return self.name_behind(at);
            }
            at = quoted_until(text, at).unwrap_or(at + found.len_utf8());
        }
        of
    }

    /// A call is told by its bracket: the name before it.
    fn name_before(&self, bracket: usize) -> usize {
        let before = self.source.text().get(..bracket).unwrap_or_default().trim_end();
        before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()
    }
}

type Pair = Box<[Expr; 2]>;

fn binary(sign: &str) -> Option<fn(Pair) -> Syntax> {
    Some(match sign {
        operators::LOGICAL_AND => Syntax::And,
        operators::LOGICAL_OR => Syntax::Or,
        operators::INDEX => Syntax::Index,
        operators::IN => Syntax::In,
        operators::EQUALS => |pair| Syntax::Compare(Comparison::Equal, pair),
        operators::NOT_EQUALS => |pair| Syntax::Compare(Comparison::NotEqual, pair),
        operators::LESS => |pair| Syntax::Compare(Comparison::Less, pair),
        operators::LESS_EQUALS => |pair| Syntax::Compare(Comparison::LessOrEqual, pair),
        operators::GREATER => |pair| Syntax::Compare(Comparison::Greater, pair),
        operators::GREATER_EQUALS => |pair| Syntax::Compare(Comparison::GreaterOrEqual, pair),
        operators::ADD => |pair| Syntax::Arithmetic(Arithmetic::Add, pair),
        operators::SUBSTRACT => |pair| Syntax::Arithmetic(Arithmetic::Subtract, pair),
        operators::MULTIPLY => |pair| Syntax::Arithmetic(Arithmetic::Multiply, pair),
        operators::DIVIDE => |pair| Syntax::Arithmetic(Arithmetic::Divide, pair),
        operators::MODULO => |pair| Syntax::Arithmetic(Arithmetic::Remainder, pair),
        _ => return None,
    })
}

fn arguments(ast: &IdedExpr) -> &[IdedExpr] {
    match &ast.expr {
        Ast::Call(call) => &call.args,
        _ => &[],
    }
}

/// Of `[it]`.
fn only_element(ast: &IdedExpr) -> &IdedExpr {
    match &ast.expr {
        Ast::List(list) => list.elements.first().unwrap_or(ast),
        _ => ast,
    }
}

fn is_name(ast: &IdedExpr, name: &str) -> bool {
    matches!(&ast.expr, Ast::Ident(ident) if ident == name)
}
