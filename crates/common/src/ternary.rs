//! Truth that may not be known yet: what an index can say of a condition before the row is read.

/// Three-valued truth. Unlike SQL's NULL, `Maybe` means that reading the row will tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Ternary {
    False,
    True,
    Maybe,
}

impl Ternary {
    /// True only if both are, false as soon as one is.
    pub fn and(self, other: Ternary) -> Ternary {
        match (self, other) {
            (Ternary::False, _) | (_, Ternary::False) => Ternary::False,
            (Ternary::True, Ternary::True) => Ternary::True,
            _ => Ternary::Maybe,
        }
    }

    /// False only if both are, true as soon as one is.
    pub fn or(self, other: Ternary) -> Ternary {
        match (self, other) {
            (Ternary::True, _) | (_, Ternary::True) => Ternary::True,
            (Ternary::False, Ternary::False) => Ternary::False,
            _ => Ternary::Maybe,
        }
    }
}

impl std::ops::Not for Ternary {
    type Output = Ternary;

    fn not(self) -> Ternary {
        match self {
            Ternary::False => Ternary::True,
            Ternary::True => Ternary::False,
            Ternary::Maybe => Ternary::Maybe,
        }
    }
}

impl From<bool> for Ternary {
    fn from(known: bool) -> Ternary {
        if known { Ternary::True } else { Ternary::False }
    }
}
