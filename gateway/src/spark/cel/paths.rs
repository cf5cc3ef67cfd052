//! Paths: what the schema takes of them, and the fields behind.

use super::check::{Checked, Checker};
use super::code::{Constant, Node};
use super::error::CelError;
use super::schema::Step;
use super::syntax::{Expr, Syntax};
use super::types::Type;

/// A root and the steps from it, as written, each with its byte.
struct Path<'e> {
    root: &'e str,
    at: usize,
    steps: Vec<(usize, Step<'e>)>,
}

/// None: it does not begin with a name, or has an index between that is no constant text.
fn path(mut expr: &Expr) -> Option<Path<'_>> {
    let mut steps = Vec::new();
    loop {
        match &expr.what {
            Syntax::Name(root) => {
                steps.reverse();
                return Some(Path { root, at: expr.at, steps });
            }
            Syntax::Field(of, name) => {
                steps.push((expr.at, Step::Field(name)));
                expr = of;
            }
            Syntax::Index(pair) => {
                let [of, by] = &**pair;
                let Syntax::Text(key) = &by.what else { return None };
                steps.push((by.at, Step::Key(key)));
                expr = of;
            }
            _ => return None,
        }
    }
}

impl Checker<'_, '_> {
    pub(super) fn path_or_index(&mut self, expr: &Expr) -> Result<Checked, CelError> {
        if let Some(path) = path(expr) {
            let (mut value, behind) = self.begin(&path)?;
            for (at, step) in path.steps.get(behind..).unwrap_or_default() {
                value = self.field(*at, &value, step.name())?;
            }
            return Ok(value);
        }
        match &expr.what {
            Syntax::Field(of, name) => {
                let of = self.expr(of)?;
                self.field(expr.at, &of, name)
            }
            Syntax::Index(pair) => self.index(expr.at, &pair[0], &pair[1]),
            _ => Err(self.source.error(expr.at, "not a path")),
        }
    }

    /// Whether a value is known, or has a field: never itself "not known".
    pub(super) fn has(&mut self, at: usize, of: &Expr, name: &str) -> Result<Checked, CelError> {
        let of = match path(of) {
            Some(mut path) => {
                path.steps.push((at, Step::Field(name)));
                let (mut value, behind) = self.begin(&path)?;
                let Some((_, between)) = path.steps.get(behind..).unwrap_or_default().split_last() else {
                    return self.known(at, &value);
                };
                for (at, step) in between {
                    value = self.field(*at, &value, step.name())?;
                }
                value
            }
            None => self.expr(of)?,
        };
        let name = self.named(at, &of, name)?;
        self.push(at, Node::HasField { of: of.node, name }, Type::Bool)
    }

    /// The value that a path begins with, and how many of the steps it stands for.
    fn begin(&mut self, path: &Path<'_>) -> Result<(Checked, usize), CelError> {
        let around = self.variables.iter().rev().position(|(name, _)| name == path.root);
        if let Some(around) = around {
            let kind = self.variables.iter().rev().nth(around).map_or(Type::Dyn, |(_, kind)| kind.clone());
            let node = Node::Variable(u16::try_from(around).unwrap_or(u16::MAX));
            return Ok((self.push(path.at, node, kind)?, 0));
        }
        let steps: Vec<Step<'_>> = path.steps.iter().map(|(_, step)| *step).collect();
        let resolved = self.schema.resolve(path.root, &steps).map_err(|unknown| {
            let step = unknown.step.and_then(|step| path.steps.get(step));
            self.source.error(step.map_or(path.at, |(at, _)| *at), unknown.what)
        })?;
        let consumed = resolved.consumed.min(steps.len());
        let last = consumed.checked_sub(1).and_then(|last| path.steps.get(last));
        let at = last.map_or(path.at, |(at, _)| *at);
        self.slots.insert(resolved.slot);
        Ok((self.push(at, Node::Slot(resolved.slot), resolved.kind)?, consumed))
    }

    fn field(&mut self, at: usize, of: &Checked, name: &str) -> Result<Checked, CelError> {
        let name = self.named(at, of, name)?;
        self.push(at, Node::Field { of: of.node, name }, Type::Dyn)
    }

    /// The constant of a field's name, where the value can have fields.
    fn named(&mut self, at: usize, of: &Checked, name: &str) -> Result<u16, CelError> {
        match of.kind {
            Type::Record | Type::Dyn => self.name_constant(at, Constant::Text(name.into())),
            _ => Err(self.source.error(at, format!("{} has no field `{name}`", of.kind))),
        }
    }

    fn index(&mut self, at: usize, of: &Expr, by: &Expr) -> Result<Checked, CelError> {
        let (of, key) = (self.expr(of)?, self.expr(by)?);
        let kind = match (&of.kind, &key.kind) {
            (Type::List(of), Type::Int | Type::Dyn) => (**of).clone(),
            (Type::Record, Type::Text | Type::Dyn) | (Type::Dyn, Type::Int | Type::Text | Type::Dyn) => Type::Dyn,
            (of, key) => return Err(self.source.error(at, format!("`[ ]` has no meaning for {of} and {key}"))),
        };
        self.push(at, Node::Index { of: of.node, by: key.node }, kind)
    }
}
