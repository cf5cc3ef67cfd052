//! Types: what the check knows of a value, and what the run meets.

use std::fmt;

/// Static type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// 64 bits, signed.
    Int,
    /// IEEE 754 binary64.
    Double,
    /// UTF-8.
    Text,
    /// A moment, to the millisecond.
    Time,
    /// A length of time, to the millisecond.
    Span,
    /// A row of named fields, each of type [`Type::Dyn`].
    Record,
    /// Values of one type.
    List(Box<Type>),
    /// Known at run time only.
    Dyn,
}

impl Type {
    /// A list of such.
    pub fn list(of: Type) -> Type {
        Type::List(Box::new(of))
    }

    /// What its values are at run time; none for [`Type::Dyn`].
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Type::Bool => Kind::Bool,
            Type::Int => Kind::Int,
            Type::Double => Kind::Double,
            Type::Text => Kind::Text,
            Type::Time => Kind::Time,
            Type::Span => Kind::Span,
            Type::Record => Kind::Record,
            Type::List(_) => Kind::List,
            Type::Dyn => return None,
        })
    }

    /// Whether a value of this type may stand where `other` is wanted.
    pub(super) fn fits(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::List(one), Type::List(two)) => one.fits(two),
            _ => self == other,
        }
    }

    /// The type of what is one or the other, where they fit.
    pub(super) fn joined(self, other: Type) -> Type {
        match (self, other) {
            (Type::List(one), Type::List(two)) => Type::list(one.joined(*two)),
            (one, two) if one == two => one,
            _ => Type::Dyn,
        }
    }

    /// Whether `==` has a meaning: not for records, nor lists of them.
    pub(super) fn has_equality(&self) -> bool {
        match self {
            Type::Record => false,
            Type::List(of) => of.has_equality(),
            _ => true,
        }
    }

    /// Whether `<` has a meaning.
    pub(super) fn has_order(&self) -> bool {
        !matches!(self, Type::Record | Type::List(_))
    }

    pub(super) fn is_dyn(&self) -> bool {
        *self == Type::Dyn
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.kind()) {
            (Type::List(of), _) => write!(f, "list of {of}"),
            (_, Some(kind)) => kind.fmt(f),
            (_, None) => f.write_str("dyn"),
        }
    }
}

/// What a value is at run time, or what was wanted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See [`Type::Bool`].
    Bool,
    /// See [`Type::Int`].
    Int,
    /// See [`Type::Double`].
    Double,
    /// See [`Type::Text`].
    Text,
    /// See [`Type::Time`].
    Time,
    /// See [`Type::Span`].
    Span,
    /// See [`Type::Record`].
    Record,
    /// See [`Type::List`].
    List,
    /// Wanted: an int or a double.
    Number,
    /// Wanted: anything but a record or a list.
    Scalar,
    /// Wanted: something of the same type as what stands beside it.
    Alike,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Double => "double",
            Kind::Text => "text",
            Kind::Time => "time",
            Kind::Span => "span",
            Kind::Record => "record",
            Kind::List => "list",
            Kind::Number => "number",
            Kind::Scalar => "scalar",
            Kind::Alike => "value of the same type",
        })
    }
}
