//! Evaluation: a walk over the nodes, counted.

use std::borrow::Cow;

use super::MADE_TEXT_BYTES_MAX;
use super::code::{At, Constant, Node, Program};
use super::error::{Failure, Place, Reason};
use super::functions::{ARITY_MAX, Function};
use super::syntax::{Arithmetic, Comparison, LoopKind};
use super::types::Kind;
use super::value::{Facts, Value};

/// None: it rests on something that is not known.
pub(super) type Outcome<'a> = Result<Option<Value<'a>>, Failure>;

/// Evaluates the root.
pub(super) fn run<'a>(program: &'a Program, facts: &'a dyn Facts, budget: &mut u32) -> Outcome<'a> {
    let Some(root) = program.nodes.len().checked_sub(1).and_then(|root| At::try_from(root).ok()) else {
        return Ok(None);
    };
    let mut run = Run { program, facts, budget };
    let value = run.eval(root, None)?;
    match (program.wanted, value) {
        (Some(wanted), Some(value)) if !is(&value, wanted) => Err(run.wrong(root, wanted, &value)),
        (_, value) => Ok(value),
    }
}

fn is(value: &Value<'_>, wanted: Kind) -> bool {
    let kind = value.kind();
    kind == wanted || (wanted == Kind::Scalar && !matches!(kind, Kind::Record | Kind::List))
}

pub(super) struct Run<'a, 'b> {
    program: &'a Program,
    facts: &'a dyn Facts,
    budget: &'b mut u32,
}

/// The variable of a loop, and those of the loops around it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'a> {
    pub(super) value: &'s Option<Value<'a>>,
    pub(super) around: Option<&'s Scope<'s, 'a>>,
}

/// Gives back what is known, and leaves with "not known" otherwise.
macro_rules! known {
    ($outcome:expr) => {
        match $outcome? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}
pub(super) use known;

impl<'a> Run<'a, '_> {
    pub(super) fn eval(&mut self, at: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        self.spend(at, 1)?;
        let Some(&node) = self.program.nodes.get(usize::from(at)) else { return Ok(None) };
        match node {
            Node::Constant(number) => Ok(self.constant(number)),
            Node::Slot(slot) => Ok(self.facts.get(slot)),
            Node::Known(slot) => Ok(Some(Value::Bool(self.facts.get(slot).is_some()))),
            Node::Compare(by, left, right) => self.compare(at, by, left, right, scope),
            Node::And(left, right) => self.either(false, left, right, scope),
            Node::Or(left, right) => self.either(true, left, right, scope),
            Node::Not(of) => Ok(self.truth(of, scope)?.map(|truth| Value::Bool(!truth))),
            Node::If { when, then, otherwise } => match self.truth(when, scope)? {
                Some(true) => self.eval(then, scope),
                Some(false) => self.eval(otherwise, scope),
                None => Ok(None),
            },
            Node::Arithmetic(by, left, right) => self.arithmetic(at, by, left, right, scope),
            Node::Negate(of) => self.negate(at, of, scope),
            Node::Variable(around) => self.variable(at, around, scope),
            Node::Field { of, name } => self.field(of, name, scope),
            Node::HasField { of, name } => self.has_field(of, name, scope),
            Node::Index { of, by } => self.index(at, of, by, scope),
            Node::In(needle, list) => self.member(at, needle, list, scope),
            Node::AnyOf { needle, first, count } => self.any_of(at, needle, first, count, scope),
            Node::List { first, count } => self.list(first, count, scope),
            Node::Call { function, first } => self.call(at, function, first, scope),
            Node::Loop { kind, over, body } => match kind {
                LoopKind::All => self.search(at, false, over, body, scope),
                LoopKind::Exists => self.search(at, true, over, body, scope),
                LoopKind::ExistsOne => self.count(at, over, body, scope),
                LoopKind::Filter => self.filter(at, over, body, scope),
                LoopKind::Map => self.map(at, over, None, body, scope),
            },
            Node::MapIf { over, when, body } => self.map(at, over, Some(when), body, scope),
        }
    }

    /// As [`Self::eval`], for what mostly is a slot or a constant: without the walk's frame for these.
    #[inline]
    fn operand(&mut self, at: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        match self.program.nodes.get(usize::from(at)) {
            Some(&Node::Slot(slot)) => self.spend(at, 1).map(|()| self.facts.get(slot)),
            Some(&Node::Constant(number)) => self.spend(at, 1).map(|()| self.constant(number)),
            _ => self.eval(at, scope),
        }
    }

    /// Takes steps from the budget.
    pub(super) fn spend(&mut self, at: At, steps: usize) -> Result<(), Failure> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.budget.checked_sub(steps));
        *self.budget = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| self.fail(at, Reason::BudgetSpent))
    }

    pub(super) fn children(&self, first: u16, count: u16) -> &'a [At] {
        let first = usize::from(first);
        self.program.children.get(first..first + usize::from(count)).unwrap_or_default()
    }

    pub(super) fn constant(&self, number: u16) -> Option<Value<'a>> {
        self.program.constants.get(usize::from(number)).map(Constant::value)
    }

    #[cold]
    pub(super) fn fail(&self, at: At, reason: Reason) -> Failure {
        let place = self.program.places.get(usize::from(at)).copied();
        Failure { place: place.unwrap_or(Place { line: 1, column: 1 }), reason }
    }

    #[cold]
    pub(super) fn wrong(&self, at: At, wanted: Kind, got: &Value<'_>) -> Failure {
        self.fail(at, Reason::WrongType { wanted, got: got.kind() })
    }

    pub(super) fn truth(&mut self, at: At, scope: Option<&Scope<'_, 'a>>) -> Result<Option<bool>, Failure> {
        match self.eval(at, scope)? {
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(other) => Err(self.wrong(at, Kind::Bool, &other)),
            None => Ok(None),
        }
    }

    /// `&&` (decided by false) and `||` (by true): either side decides, whatever is wrong with the other.
    fn either(&mut self, decides: bool, left: At, right: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let mut verdict = Verdict::new(decides);
        let decided = verdict.add(self.truth(left, scope))? || verdict.add(self.truth(right, scope))?;
        verdict.told(decided)
    }

    fn compare(&mut self, at: At, by: Comparison, left: At, right: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let left = known!(self.operand(left, scope));
        let right = known!(self.operand(right, scope));
        let truth = match (by, left.order(&right)) {
            (Comparison::Equal, None) => self.equal(at, &left, &right)?,
            (Comparison::NotEqual, None) => !self.equal(at, &left, &right)?,
            (_, None) => return Err(self.wrong(at, Kind::Alike, &right)),
            (Comparison::Equal, Some(order)) => order.is_some_and(|order| order.is_eq()),
            (Comparison::NotEqual, Some(order)) => !order.is_some_and(|order| order.is_eq()),
            (Comparison::Less, Some(order)) => order.is_some_and(|order| order.is_lt()),
            (Comparison::LessOrEqual, Some(order)) => order.is_some_and(|order| order.is_le()),
            (Comparison::Greater, Some(order)) => order.is_some_and(|order| order.is_gt()),
            (Comparison::GreaterOrEqual, Some(order)) => order.is_some_and(|order| order.is_ge()),
        };
        Ok(Some(Value::Bool(truth)))
    }

    fn negate(&mut self, at: At, of: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        match known!(self.eval(of, scope)) {
            Value::Double(number) => Ok(Some(Value::Double(-number))),
            Value::Int(number) => match number.checked_neg() {
                Some(number) => Ok(Some(Value::Int(number))),
                None => Err(self.fail(at, Reason::Overflow)),
            },
            other => Err(self.wrong(at, Kind::Number, &other)),
        }
    }

    fn arithmetic(
        &mut self,
        at: At,
        by: Arithmetic,
        left: At,
        right: At,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let left = known!(self.operand(left, scope));
        let right = known!(self.operand(right, scope));
        let result = match (by, &left, &right) {
            (_, Value::Double(one), Value::Double(two)) if by != Arithmetic::Remainder => {
                Ok(Value::Double(double_arithmetic(by, *one, *two)))
            }
            (_, Value::Int(one), Value::Int(two)) => whole_arithmetic(by, *one, *two).map(Value::Int),
            (Arithmetic::Add, Value::Text(one), Value::Text(two)) => {
                self.spend(at, (one.len() + two.len()) / 64)?;
                joined(one, two)
            }
            (Arithmetic::Add, Value::List(_) | Value::Rows(_), Value::List(_) | Value::Rows(_)) => {
                return self.concatenated(at, &left, &right);
            }
            _ => mixed_arithmetic(by, &left, &right),
        };
        result.map(Some).map_err(|reason| self.fail(at, reason))
    }

    fn call(&mut self, at: At, function: Function, first: u16, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let arity = function.arity();
        let mut given: [Value<'a>; ARITY_MAX] = [const { Value::Bool(false) }; ARITY_MAX];
        for (value, child) in given.iter_mut().zip(self.children(first, arity as u16)) {
            *value = known!(self.eval(*child, scope));
            if let Value::Text(text) = value {
                self.spend(at, text.len() / 64)?;
            }
        }
        let result = function.call(given.get(..arity).unwrap_or_default());
        result.map(Some).map_err(|reason| self.fail(at, reason))
    }

    fn variable(&mut self, at: At, around: u16, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let mut scope = scope;
        for _ in 0..around {
            scope = scope.and_then(|scope| scope.around);
        }
        let value = scope.and_then(|scope| scope.value.clone());
        self.spend(at, value.as_ref().map_or(0, copied))?;
        Ok(value)
    }
}

/// Steps that a copy of a value is worth: those of the host and of the program are lent, made texts are copied.
pub(super) fn copied(value: &Value<'_>) -> usize {
    match value {
        Value::Text(Cow::Owned(text)) => text.len() / 64,
        _ => 0,
    }
}

/// What several truths come to: one of them decides, and the others tell of it only when none did.
pub(super) struct Verdict {
    decides: bool,
    is_unknown: bool,
    failure: Option<Failure>,
}

impl Verdict {
    pub(super) fn new(decides: bool) -> Self {
        Self { decides, is_unknown: false, failure: None }
    }

    /// Whether this one decides. A spent budget is no truth, and ends all.
    pub(super) fn add(&mut self, truth: Result<Option<bool>, Failure>) -> Result<bool, Failure> {
        match truth {
            Ok(Some(truth)) => return Ok(truth == self.decides),
            Ok(None) => self.is_unknown = true,
            Err(failure) if failure.reason == Reason::BudgetSpent => return Err(failure),
            Err(failure) => self.failure = self.failure.or(Some(failure)),
        }
        Ok(false)
    }

    /// What is not known weighs more than what failed: once it is known, it may decide.
    pub(super) fn told<'a>(self, decided: bool) -> Outcome<'a> {
        match self.failure {
            _ if decided => Ok(Some(Value::Bool(self.decides))),
            _ if self.is_unknown => Ok(None),
            Some(failure) => Err(failure),
            None => Ok(Some(Value::Bool(!self.decides))),
        }
    }
}

/// Of whole numbers: 64 bits or nothing.
pub(super) fn whole_arithmetic(by: Arithmetic, one: i64, two: i64) -> Result<i64, Reason> {
    let result = match by {
        Arithmetic::Divide | Arithmetic::Remainder if two == 0 => return Err(Reason::DivisionByZero),
        Arithmetic::Add => one.checked_add(two),
        Arithmetic::Subtract => one.checked_sub(two),
        Arithmetic::Multiply => one.checked_mul(two),
        Arithmetic::Divide => one.checked_div(two),
        Arithmetic::Remainder => one.checked_rem(two),
    };
    result.ok_or(Reason::Overflow)
}

/// IEEE 754: a division by zero is infinite. The remainder is that of whole numbers only, and never asked for here.
fn double_arithmetic(by: Arithmetic, one: f64, two: f64) -> f64 {
    match by {
        Arithmetic::Add => one + two,
        Arithmetic::Subtract => one - two,
        Arithmetic::Multiply => one * two,
        Arithmetic::Divide => one / two,
        Arithmetic::Remainder => libm::fmod(one, two),
    }
}

/// Times and spans; and a whole number beside a double, which only a dyn value can bring about.
fn mixed_arithmetic<'a>(by: Arithmetic, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Reason> {
    use Arithmetic::{Add, Remainder, Subtract};
    let wrong = Reason::WrongType { wanted: Kind::Alike, got: right.kind() };
    let (is_time, one, two) = match (by, left, right) {
        (Add, Value::Time(one), Value::Span(two)) | (Add, Value::Span(one), Value::Time(two)) => (true, one, two),
        (Subtract, Value::Time(one), Value::Span(two)) => (true, one, two),
        (Subtract, Value::Time(one), Value::Time(two)) => (false, one, two),
        (Add | Subtract, Value::Span(one), Value::Span(two)) => (false, one, two),
        _ => {
            let (Some(one), Some(two)) = (left.as_double(), right.as_double()) else { return Err(wrong) };
            return if by == Remainder { Err(wrong) } else { Ok(Value::Double(double_arithmetic(by, one, two))) };
        }
    };
    let ms = whole_arithmetic(by, *one, *two)?;
    Ok(if is_time { Value::Time(ms) } else { Value::Span(ms) })
}

fn joined<'a>(one: &str, two: &str) -> Result<Value<'a>, Reason> {
    if one.len() + two.len() > MADE_TEXT_BYTES_MAX {
        return Err(Reason::TooLong);
    }
    Ok(Value::Text(Cow::Owned([one, two].concat())))
}
