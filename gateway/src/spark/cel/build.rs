//! What a program is built of while it is checked: nodes, constants, and the constants that turn out to be others.

use super::check::{Checked, Checker};
use super::code::{At, Constant, Node};
use super::error::CelError;
use super::types::Type;

impl Checker<'_, '_> {
    /// A constant whole number beside a double is a double.
    pub(super) fn align(&mut self, left: &mut Checked, right: &mut Checked) {
        let (was_left, was_right) = (left.kind.clone(), right.kind.clone());
        self.coerce(left, &was_right);
        self.coerce(right, &was_left);
    }

    /// Makes a double of a constant whole number, and of those in a list literal, where one is wanted.
    pub(super) fn coerce(&mut self, it: &mut Checked, wanted: &Type) {
        match (wanted, &it.kind) {
            (Type::Double, Type::Int) => {
                let Some(whole) = self.whole(it.node) else { return };
                let number = self.intern(Constant::Double(whole as f64));
                if let (Some(number), Some(node)) = (number, self.nodes.get_mut(usize::from(it.node))) {
                    *node = Node::Constant(number);
                    it.kind = Type::Double;
                }
            }
            (Type::List(wanted), Type::List(of)) if **wanted == Type::Double && **of == Type::Int => {
                let Some(&Node::List { first, count }) = self.nodes.get(usize::from(it.node)) else { return };
                let elements = self.children.get(usize::from(first)..usize::from(first + count));
                let elements = elements.unwrap_or_default().to_vec();
                if elements.iter().all(|element| self.whole(*element).is_some()) {
                    for node in elements {
                        self.coerce(&mut Checked { node, kind: Type::Int }, &Type::Double);
                    }
                    it.kind = Type::list(Type::Double);
                }
            }
            _ => {}
        }
    }

    /// Makes of the last node, a slot, the question whether it is known.
    pub(super) fn known(&mut self, at: usize, slot: &Checked) -> Result<Checked, CelError> {
        let Some(&Node::Slot(number)) = self.nodes.get(usize::from(slot.node)) else {
            return Err(self.source.error(at, "has() asks for a field"));
        };
        self.forget_from(slot.node);
        self.push(at, Node::Known(number), Type::Bool)
    }

    pub(super) fn constant_at(&self, node: At) -> Option<&Constant> {
        match self.nodes.get(usize::from(node))? {
            Node::Constant(number) => self.constants.get(usize::from(*number)),
            _ => None,
        }
    }

    pub(super) fn whole(&self, node: At) -> Option<i64> {
        match self.constant_at(node)? {
            Constant::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn constant(&mut self, at: usize, constant: Constant, kind: Type) -> Result<Checked, CelError> {
        let number = self.name_constant(at, constant)?;
        self.push(at, Node::Constant(number), kind)
    }

    pub(super) fn name_constant(&mut self, at: usize, constant: Constant) -> Result<u16, CelError> {
        self.intern(constant).ok_or_else(|| self.source.error(at, "too large"))
    }

    pub(super) fn intern(&mut self, constant: Constant) -> Option<u16> {
        let known = self.constants.iter().position(|other| other.same(&constant));
        let number = known.unwrap_or_else(|| {
            self.constants.push(constant);
            self.constants.len() - 1
        });
        u16::try_from(number).ok()
    }

    pub(super) fn adopt(&mut self, at: usize, nodes: impl Iterator<Item = At>) -> Result<u16, CelError> {
        let first = self.narrow(at, self.children.len())?;
        self.children.extend(nodes);
        Ok(first)
    }

    /// The last nodes, made for what turned out to be a constant.
    pub(super) fn forget_from(&mut self, node: At) {
        self.nodes.truncate(usize::from(node));
        self.places.truncate(usize::from(node));
    }

    pub(super) fn push(&mut self, at: usize, node: Node, kind: Type) -> Result<Checked, CelError> {
        let number = self.narrow(at, self.nodes.len())?;
        self.nodes.push(node);
        self.places.push(self.source.place(at));
        Ok(Checked { node: number, kind })
    }

    pub(super) fn narrow(&self, at: usize, number: usize) -> Result<u16, CelError> {
        u16::try_from(number).map_err(|_| self.source.error(at, "too large"))
    }
}
