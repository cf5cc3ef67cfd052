//! Evaluation of what has elements: lists, records, and the loops of macros.

use super::code::At;
use super::error::{Failure, Reason};
use super::run::{Outcome, Run, Scope, Verdict, copied, known};
use super::types::Kind;
use super::value::Value;

impl<'a> Run<'a, '_> {
    /// Where there is no order: lists by their elements; what is of another type is not equal.
    pub(super) fn equal(&mut self, at: At, one: &Value<'a>, two: &Value<'a>) -> Result<bool, Failure> {
        if let Some(order) = one.order(two) {
            return Ok(order.is_some_and(|order| order.is_eq()));
        }
        if let Some(record) = [one, two].into_iter().find(|it| it.kind() == Kind::Record) {
            return Err(self.wrong(at, Kind::Scalar, record));
        }
        let (Some(len), Some(other_len)) = (one.length(), two.length()) else { return Ok(false) };
        if len != other_len {
            return Ok(false);
        }
        for place in 0..len {
            let (one, two) = (self.element(at, one, place)?, self.element(at, two, place)?);
            let (Some(one), Some(two)) = (one, two) else { return Ok(false) };
            if !self.equal(at, &one, &two)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn concatenated(&mut self, at: At, left: &Value<'a>, right: &Value<'a>) -> Outcome<'a> {
        let mut elements = Vec::new();
        for list in [left, right] {
            for place in 0..list.length().unwrap_or(0) {
                elements.extend(self.element(at, list, place)?);
            }
        }
        Ok(Some(Value::List(elements.into())))
    }

    pub(super) fn field(&mut self, of: At, name: u16, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let of_value = known!(self.eval(of, scope));
        self.field_of(of, &of_value, name)
    }

    /// Never "not known": a field of what is not known is not there.
    pub(super) fn has_field(&mut self, of: At, name: u16, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let found = match self.eval(of, scope)? {
            Some(of_value) => self.field_of(of, &of_value, name)?.is_some(),
            None => false,
        };
        Ok(Some(Value::Bool(found)))
    }

    fn field_of(&mut self, of: At, value: &Value<'a>, name: u16) -> Outcome<'a> {
        match (value, self.constant(name)) {
            (Value::Record(fields), Some(Value::Text(name))) => Ok(fields.field(&name)),
            (other, _) => Err(self.wrong(of, Kind::Record, other)),
        }
    }

    pub(super) fn index(&mut self, at: At, of: At, by: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let of = known!(self.eval(of, scope));
        let by = known!(self.eval(by, scope));
        match (&of, &by) {
            (Value::Record(fields), Value::Text(name)) => Ok(fields.field(name)),
            (Value::Record(_), other) => Err(self.wrong(at, Kind::Text, other)),
            (Value::List(_) | Value::Rows(_), Value::Int(index)) => {
                let element = usize::try_from(*index).ok().and_then(|index| of.element(index));
                let len = u32::try_from(of.length().unwrap_or(0)).unwrap_or(u32::MAX);
                element.map(Some).ok_or_else(|| self.fail(at, Reason::OutOfRange { index: *index, len }))
            }
            (Value::List(_) | Value::Rows(_), other) => Err(self.wrong(at, Kind::Int, other)),
            (other, _) => Err(self.wrong(at, Kind::List, other)),
        }
    }

    pub(super) fn member(&mut self, at: At, needle: At, list: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let needle = known!(self.eval(needle, scope));
        let list_value = known!(self.eval(list, scope));
        let len = self.length(list, &list_value)?;
        for place in 0..len {
            if let Some(element) = self.element(at, &list_value, place)?
                && self.equal(at, &needle, &element)?
            {
                return Ok(Some(Value::Bool(true)));
            }
        }
        Ok(Some(Value::Bool(false)))
    }

    pub(super) fn any_of(
        &mut self,
        at: At,
        needle: At,
        first: u16,
        count: u16,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let needle = known!(self.eval(needle, scope));
        let mut found = false;
        for child in self.children(first, count) {
            let element = known!(self.eval(*child, scope));
            found = found || self.equal(at, &needle, &element)?;
        }
        Ok(Some(Value::Bool(found)))
    }

    pub(super) fn list(&mut self, first: u16, count: u16, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let mut elements = Vec::with_capacity(usize::from(count));
        for child in self.children(first, count) {
            elements.push(known!(self.eval(*child, scope)));
        }
        Ok(Some(Value::List(elements.into())))
    }

    /// `all` (decided by false) and `exists` (by true).
    pub(super) fn search(
        &mut self,
        at: At,
        decides: bool,
        over: At,
        body: At,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let list = known!(self.eval(over, scope));
        let mut verdict = Verdict::new(decides);
        for place in 0..self.length(over, &list)? {
            let element = self.element(at, &list, place)?;
            let truth = self.truth(body, Some(&Scope { value: &element, around: scope }));
            if verdict.add(truth)? {
                return verdict.told(true);
            }
        }
        verdict.told(false)
    }

    pub(super) fn count(&mut self, at: At, over: At, body: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let list = known!(self.eval(over, scope));
        let mut found = 0_u32;
        for place in 0..self.length(over, &list)? {
            let element = self.element(at, &list, place)?;
            let truth = self.truth(body, Some(&Scope { value: &element, around: scope }));
            found += u32::from(known!(truth));
        }
        Ok(Some(Value::Bool(found == 1)))
    }

    pub(super) fn filter(&mut self, at: At, over: At, body: At, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let list = known!(self.eval(over, scope));
        let mut kept = Vec::new();
        for place in 0..self.length(over, &list)? {
            let element = self.element(at, &list, place)?;
            if known!(self.truth(body, Some(&Scope { value: &element, around: scope }))) {
                kept.extend(element);
            }
        }
        Ok(Some(Value::List(kept.into())))
    }

    pub(super) fn map(
        &mut self,
        at: At,
        over: At,
        when: Option<At>,
        body: At,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let list = known!(self.eval(over, scope));
        let mut made = Vec::new();
        for place in 0..self.length(over, &list)? {
            let element = self.element(at, &list, place)?;
            let inside = Scope { value: &element, around: scope };
            let wanted = match when {
                Some(when) => known!(self.truth(when, Some(&inside))),
                None => true,
            };
            if wanted {
                made.push(known!(self.eval(body, Some(&inside))));
            }
        }
        Ok(Some(Value::List(made.into())))
    }

    /// A step, and more for a text that has to be copied.
    fn element(&mut self, at: At, list: &Value<'a>, place: usize) -> Result<Option<Value<'a>>, Failure> {
        let element = list.element(place);
        self.spend(at, 1 + element.as_ref().map_or(0, copied))?;
        Ok(element)
    }

    fn length(&self, at: At, list: &Value<'_>) -> Result<usize, Failure> {
        list.length().ok_or_else(|| self.wrong(at, Kind::List, list))
    }
}
