//! From tree to program: every name, every operand and the result are checked, once, before anything runs.

use std::collections::BTreeSet;

use super::code::{At, Constant, Node, Program};
use super::error::{CelError, Place};
use super::functions::Function;
use super::parse::parse;
use super::schema::Schema;
use super::source::Source;
use super::syntax::{Arithmetic, Comparison, Expr, Loop, LoopKind, Syntax};
use super::types::{Kind, Type};
use super::{logic, run};

/// What the result has to be.
pub(super) enum Wanted {
    Of(Type),
    /// Anything that a text can show.
    Scalar,
}

/// Checks an expression.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn program(source: Source<'_>, schema: &mut dyn Schema, wanted: Wanted) -> Result<Program, CelError> {
    let tree = parse(source)?;
    let mut checker = Checker::new(source, schema);
    let mut root = checker.expr(&tree)?;
    let (fits, name, kind) = match wanted {
        Wanted::Of(wanted) => {
            checker.coerce(&mut root, &wanted);
            (root.kind.fits(&wanted), wanted.to_string(), wanted.kind())
        }
        Wanted::Scalar => (root.kind.has_order(), Kind::Scalar.to_string(), Some(Kind::Scalar)),
    };
    if !fits {
        return Err(source.error(tree.at, format!("the result is of type {}, {name} is wanted", root.kind)));
    }
    Ok(checker.finish(kind.filter(|_| root.kind.is_dyn())))
}

/// A node, and what it will give.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) node: At,
    pub(super) kind: Type,
}

pub(super) struct Checker<'t, 's> {
    pub(super) source: Source<'t>,
    pub(super) schema: &'s mut dyn Schema,
    pub(super) nodes: Vec<Node>,
    pub(super) places: Vec<Place>,
    pub(super) constants: Vec<Constant>,
    pub(super) children: Vec<At>,
    pub(super) slots: BTreeSet<u16>,
    /// Variables of the loops around, outermost first.
    pub(super) variables: Vec<(String, Type)>,
}

impl<'t, 's> Checker<'t, 's> {
    fn new(source: Source<'t>, schema: &'s mut dyn Schema) -> Self {
        let (nodes, places, constants, children) = Default::default();
        Self { source, schema, nodes, places, constants, children, slots: BTreeSet::new(), variables: Vec::new() }
    }

    fn finish(self, wanted: Option<Kind>) -> Program {
        Program {
            nodes: self.nodes.into(),
            places: self.places.into(),
            constants: self.constants.into(),
            children: self.children.into(),
            slots: self.slots.into_iter().collect(),
            wanted,
        }
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Checked, CelError> {
        let at = expr.at;
        match &expr.what {
            Syntax::Bool(truth) => self.constant(at, Constant::Bool(*truth), Type::Bool),
            Syntax::Int(number) => self.constant(at, Constant::Int(*number), Type::Int),
            Syntax::Double(number) => self.constant(at, Constant::Double(*number), Type::Double),
            Syntax::Text(text) => self.constant(at, Constant::Text(text.as_str().into()), Type::Text),
            Syntax::Name(_) | Syntax::Field(..) | Syntax::Index(_) => self.path_or_index(expr),
            Syntax::Has(of, name) => self.has(at, of, name),
            Syntax::Not(of) => {
                let of = self.truth(of, "!")?;
                self.push(at, Node::Not(of), Type::Bool)
            }
            Syntax::Negate(of) => self.negate(at, of),
            Syntax::And(pair) => {
                let [left, right] = [self.truth(&pair[0], "&&")?, self.truth(&pair[1], "&&")?];
                self.push(at, Node::And(left, right), Type::Bool)
            }
            Syntax::Or(pair) => {
                let [left, right] = [self.truth(&pair[0], "||")?, self.truth(&pair[1], "||")?];
                self.push(at, Node::Or(left, right), Type::Bool)
            }
            Syntax::If(three) => self.conditional(at, three),
            Syntax::Compare(comparison, pair) => self.comparison(at, *comparison, pair),
            Syntax::Arithmetic(operator, pair) => self.arithmetic(at, *operator, pair),
            Syntax::In(pair) => self.membership(at, pair),
            Syntax::List(elements) => self.list(at, elements),
            Syntax::Call { name, method, arguments } => self.call(at, name, *method, arguments),
            Syntax::Loop(looped) => self.looped(at, looped),
        }
    }

    /// An operand that has to be true or false.
    fn truth(&mut self, expr: &Expr, of: &str) -> Result<At, CelError> {
        let operand = self.expr(expr)?;
        if !operand.kind.fits(&Type::Bool) {
            return Err(self.source.error(expr.at, format!("`{of}` wants bool here, this is {}", operand.kind)));
        }
        Ok(operand.node)
    }

    fn negate(&mut self, at: usize, of: &Expr) -> Result<Checked, CelError> {
        let of = self.expr(of)?;
        match of.kind {
            Type::Int | Type::Double | Type::Dyn => self.push(at, Node::Negate(of.node), of.kind),
            other => Err(self.source.error(at, format!("`-` has no meaning for {other}"))),
        }
    }

    fn conditional(&mut self, at: usize, [when, then, otherwise]: &[Expr; 3]) -> Result<Checked, CelError> {
        let when = self.truth(when, "?:")?;
        let (mut then, mut otherwise) = (self.expr(then)?, self.expr(otherwise)?);
        self.align(&mut then, &mut otherwise);
        if !then.kind.fits(&otherwise.kind) {
            let what =
                format!("the branches of `?:` are {} and {}{}", then.kind, otherwise.kind, hint(&then, &otherwise));
            return Err(self.source.error(at, what));
        }
        let node = Node::If { when, then: then.node, otherwise: otherwise.node };
        self.push(at, node, then.kind.joined(otherwise.kind))
    }

    fn comparison(&mut self, at: usize, by: Comparison, [left, right]: &[Expr; 2]) -> Result<Checked, CelError> {
        let (mut left, mut right) = (self.expr(left)?, self.expr(right)?);
        self.align(&mut left, &mut right);
        let allowed = |kind: &Type| if by.is_equality() { kind.has_equality() } else { kind.has_order() };
        if !left.kind.fits(&right.kind) || !allowed(&left.kind) || !allowed(&right.kind) {
            return Err(self.no_meaning(at, by.sign(), &left, &right));
        }
        self.push(at, Node::Compare(by, left.node, right.node), Type::Bool)
    }

    fn arithmetic(&mut self, at: usize, by: Arithmetic, [left, right]: &[Expr; 2]) -> Result<Checked, CelError> {
        let (mut left, mut right) = (self.expr(left)?, self.expr(right)?);
        if let (Some(one), Some(two)) = (self.whole(left.node), self.whole(right.node)) {
            let result = run::whole_arithmetic(by, one, two).map_err(|why| self.source.error(at, why.to_string()))?;
            self.forget_from(left.node);
            return self.constant(at, Constant::Int(result), Type::Int);
        }
        self.align(&mut left, &mut right);
        let Some(kind) = logic::arithmetic_type(by, &left.kind, &right.kind) else {
            return Err(self.no_meaning(at, by.sign(), &left, &right));
        };
        self.push(at, Node::Arithmetic(by, left.node, right.node), kind)
    }

    fn membership(&mut self, at: usize, [needle, list]: &[Expr; 2]) -> Result<Checked, CelError> {
        let (mut needle, mut list) = (self.expr(needle)?, self.expr(list)?);
        let of = match &list.kind {
            Type::List(of) => (**of).clone(),
            Type::Dyn => Type::Dyn,
            other => return Err(self.source.error(at, format!("`in` wants a list behind it, this is {other}"))),
        };
        self.coerce(&mut needle, &of);
        self.coerce(&mut list, &Type::list(needle.kind.clone()));
        let of = if let Type::List(of) = &list.kind { &**of } else { &Type::Dyn };
        if !needle.kind.fits(of) || !needle.kind.has_equality() || !of.has_equality() {
            return Err(self.no_meaning(at, "in", &needle, &list));
        }
        let node = match self.nodes.get(usize::from(list.node)) {
            Some(&Node::List { first, count }) => {
                self.forget_from(list.node);
                Node::AnyOf { needle: needle.node, first, count }
            }
            _ => Node::In(needle.node, list.node),
        };
        self.push(at, node, Type::Bool)
    }

    fn list(&mut self, at: usize, elements: &[Expr]) -> Result<Checked, CelError> {
        let mut checked = elements.iter().map(|element| self.expr(element)).collect::<Result<Vec<_>, _>>()?;
        if checked.iter().any(|element| element.kind == Type::Double) {
            checked.iter_mut().for_each(|element| self.coerce(element, &Type::Double));
        }
        let mut kind = checked.first().map_or(Type::Dyn, |first| first.kind.clone());
        for (element, expr) in checked.iter().zip(elements).skip(1) {
            if !element.kind.fits(&kind) {
                let what = format!("a list has elements of one type, this one {kind} and {}", element.kind);
                return Err(self.source.error(expr.at, what));
            }
            kind = kind.joined(element.kind.clone());
        }
        let first = self.adopt(at, checked.iter().map(|element| element.node))?;
        let count = self.narrow(at, checked.len())?;
        self.push(at, Node::List { first, count }, Type::list(kind))
    }

    fn call(&mut self, at: usize, name: &str, method: bool, arguments: &[Expr]) -> Result<Checked, CelError> {
        let function = Function::find(name, method).map_err(|why| self.source.error(at, why))?;
        let mut given = arguments.iter().map(|argument| self.expr(argument)).collect::<Result<Vec<_>, _>>()?;
        if given.len() != function.arity() {
            let what = format!("`{name}` is of {} values, here are {}", function.arity(), given.len());
            return Err(self.source.error(at, what));
        }
        if function.takes_doubles() || given.iter().any(|one| one.kind == Type::Double) {
            given.iter_mut().for_each(|one| self.coerce(one, &Type::Double));
        }
        let kinds: Vec<Type> = given.iter().map(|one| one.kind.clone()).collect();
        let Some(kind) = function.result(&kinds) else {
            let kinds: Vec<String> = kinds.iter().map(Type::to_string).collect();
            return Err(self.source.error(at, format!("`{name}` has no meaning for {}", kinds.join(" and "))));
        };
        if let (true, [only]) = (function.is_read_at_load(), &*given)
            && let Some(text @ Constant::Text(_)) = self.constant_at(only.node)
        {
            let read = function.read_at_load(text).map_err(|why| self.source.error(at, why))?;
            self.forget_from(only.node);
            return self.constant(at, read, kind);
        }
        let first = self.adopt(at, given.iter().map(|one| one.node))?;
        self.push(at, Node::Call { function, first }, kind)
    }

    fn looped(&mut self, at: usize, looped: &Loop) -> Result<Checked, CelError> {
        let name = looped.kind.name();
        let over = self.expr(&looped.over)?;
        let element = match over.kind {
            Type::List(of) => *of,
            Type::Dyn => Type::Dyn,
            other => return Err(self.source.error(at, format!("`{name}` goes over a list, this is {other}"))),
        };
        self.variables.push((looped.name.clone(), element.clone()));
        let when = looped.when.as_ref().map(|when| self.truth(when, name)).transpose()?;
        let body = match looped.kind {
            LoopKind::Map => self.expr(&looped.body)?,
            LoopKind::Filter => Checked { node: self.truth(&looped.body, name)?, kind: element },
            _ => Checked { node: self.truth(&looped.body, name)?, kind: Type::Bool },
        };
        self.variables.pop();
        let kind = match looped.kind {
            LoopKind::Map | LoopKind::Filter => Type::list(body.kind),
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Type::Bool,
        };
        let node = match when {
            Some(when) => Node::MapIf { over: over.node, when, body: body.node },
            None => Node::Loop { kind: looped.kind, over: over.node, body: body.node },
        };
        self.push(at, node, kind)
    }

    fn no_meaning(&self, at: usize, sign: &str, left: &Checked, right: &Checked) -> CelError {
        let what = format!("`{sign}` has no meaning for {} and {}{}", left.kind, right.kind, hint(left, right));
        self.source.error(at, what)
    }
}

fn hint(left: &Checked, right: &Checked) -> &'static str {
    match (&left.kind, &right.kind) {
        (Type::Int, Type::Double) | (Type::Double, Type::Int) => ": write double(…) around the whole number",
        _ => "",
    }
}
