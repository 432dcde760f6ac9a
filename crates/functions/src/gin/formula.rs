//! Conditions over the entries of a query, kept in postfix notation so that looking at an item neither recurses nor allocates.

use quarry_common::Ternary;

/// One step; each takes its operands off a stack and puts its result there.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Whether the item has this entry.
    Entry(u32),
    Not,
    And,
    Or,
    /// What is true may be so: the row must be looked at.
    Blur,
    /// Nothing is known, whatever the operand.
    Unsure,
}

/// A condition.
#[derive(Clone, Debug, Default)]
pub struct Formula {
    steps: Vec<Step>,
    depth: usize,
}

/// Operands that fit without allocation.
const SHALLOW: usize = 32;

impl Formula {
    /// From steps that leave one result.
    pub fn new(steps: Vec<Step>) -> Formula {
        let (mut now, mut depth) = (0usize, 0usize);
        for step in &steps {
            match step {
                Step::Entry(_) => now += 1,
                Step::And | Step::Or => now -= 1,
                Step::Not | Step::Blur | Step::Unsure => {}
            }
            depth = depth.max(now);
        }
        debug_assert_eq!(now, 1, "a formula has one result");
        Formula { steps, depth }
    }

    /// Its value for items with all entries, if it is false for all others.
    pub fn conjunction(&self) -> Option<Ternary> {
        let mut sure = Ternary::True;
        for step in &self.steps {
            match step {
                Step::Entry(_) | Step::And => {}
                Step::Blur => sure = Ternary::Maybe,
                Step::Not | Step::Or | Step::Unsure => return None,
            }
        }
        Some(sure)
    }

    /// Its value for an item, of whose entries this is known.
    pub fn evaluate(&self, entries: &[Ternary]) -> Ternary {
        if self.depth <= SHALLOW {
            self.run(entries, &mut [Ternary::Maybe; SHALLOW])
        } else {
            self.run(entries, &mut vec![Ternary::Maybe; self.depth])
        }
    }

    fn run(&self, entries: &[Ternary], stack: &mut [Ternary]) -> Ternary {
        let mut top = 0;
        for step in &self.steps {
            match step {
                Step::Entry(i) => {
                    stack[top] = entries[*i as usize];
                    top += 1;
                }
                Step::Not => stack[top - 1] = !stack[top - 1],
                Step::And => {
                    top -= 1;
                    stack[top - 1] = stack[top - 1].and(stack[top]);
                }
                Step::Or => {
                    top -= 1;
                    stack[top - 1] = stack[top - 1].or(stack[top]);
                }
                Step::Blur => stack[top - 1] = blurred(stack[top - 1]),
                Step::Unsure => stack[top - 1] = Ternary::Maybe,
            }
        }
        stack[0]
    }
}

/// True no more than perhaps.
pub fn blurred(t: Ternary) -> Ternary {
    if t == Ternary::False { Ternary::False } else { Ternary::Maybe }
}

/// A condition while it is put together; it becomes a [`Formula`].
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Entry(u32),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

impl Condition {
    /// All of these; none of none.
    pub fn all(mut parts: Vec<Condition>) -> Option<Condition> {
        if parts.len() > 1 { Some(Condition::And(parts)) } else { parts.pop() }
    }

    fn emit(&self, out: &mut Vec<Step>) {
        let (parts, join) = match self {
            Condition::Entry(i) => return out.push(Step::Entry(*i)),
            Condition::And(parts) => (parts, Step::And),
            Condition::Or(parts) => (parts, Step::Or),
        };
        for (i, part) in parts.iter().enumerate() {
            part.emit(out);
            if i > 0 {
                out.push(join);
            }
        }
    }

    /// The formula; what it finds is to be looked at again.
    pub fn into_formula(self) -> Formula {
        let mut steps = Vec::new();
        self.emit(&mut steps);
        steps.push(Step::Blur);
        Formula::new(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ternary::{False, Maybe, True};

    #[test]
    fn conditions_evaluate_in_three_values() {
        let c = Condition::Or(vec![
            Condition::And(vec![Condition::Entry(0), Condition::Entry(1)]),
            Condition::Entry(2),
        ]);
        let f = c.into_formula();
        assert_eq!(f.evaluate(&[True, True, False]), Maybe);
        assert_eq!(f.evaluate(&[True, False, False]), False);
        assert_eq!(f.evaluate(&[Maybe, True, False]), Maybe);
        assert_eq!(f.conjunction(), None);
        let both = Condition::And(vec![Condition::Entry(0), Condition::Entry(1)]).into_formula();
        assert_eq!(both.conjunction(), Some(Maybe));
        assert_eq!(Formula::new(vec![Step::Entry(0), Step::Entry(1), Step::And]).conjunction(), Some(True));
        let not = Formula::new(vec![Step::Entry(0), Step::Not]);
        assert_eq!(not.evaluate(&[False]), True);
        assert_eq!(not.evaluate(&[Maybe]), Maybe);
    }
}
