//! What operators make of types.

use super::syntax::Arithmetic;
use super::types::Type;

/// The operands and results of arithmetic, each as they are written.
static MEANINGS: [(Arithmetic, Type, Type, Type); 16] = {
    use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
    use Type::{Double, Int, Span, Text, Time};
    [
        (Add, Int, Int, Int),
        (Add, Double, Double, Double),
        (Add, Text, Text, Text),
        (Add, Time, Span, Time),
        (Add, Span, Time, Time),
        (Add, Span, Span, Span),
        (Subtract, Int, Int, Int),
        (Subtract, Double, Double, Double),
        (Subtract, Time, Time, Span),
        (Subtract, Time, Span, Time),
        (Subtract, Span, Span, Span),
        (Multiply, Int, Int, Int),
        (Multiply, Double, Double, Double),
        (Divide, Int, Int, Int),
        (Divide, Double, Double, Double),
        (Remainder, Int, Int, Int),
    ]
};

/// The type of a sum and so on; none where there is no meaning. With a dyn operand: dyn, if any meaning is left.
pub(super) fn arithmetic_type(by: Arithmetic, left: &Type, right: &Type) -> Option<Type> {
    if let (Arithmetic::Add, Type::List(_) | Type::Dyn, Type::List(_) | Type::Dyn) = (by, left, right)
        && left.fits(right)
    {
        return Some(left.clone().joined(right.clone()));
    }
    let is_dyn = left.is_dyn() || right.is_dyn();
    let mut meanings = MEANINGS.iter().filter(|(sign, ..)| *sign == by);
    let (.., result) = meanings.find(|(_, one, two, _)| one.fits(left) && two.fits(right))?;
    Some(if is_dyn { Type::Dyn } else { result.clone() })
}
