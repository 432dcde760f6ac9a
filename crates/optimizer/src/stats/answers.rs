//! What it took many values of a column's statistics to find out: it holds for as long as the statistics do, and is kept with them, for all
//! statements.

use quarry_functions::Volatility;
use quarry_plan::volatility::volatility;
use quarry_plan::{Expr, walk};
use quarry_types::Datum;
use std::sync::{Mutex, PoisonError};

/// Questions of one kind about one column whose answers are kept; a new one takes the oldest one's place.
const QUESTIONS_MAX: usize = 16;

/// What a question may weigh, so that all of them together stay small.
const WEIGHT_MAX: usize = 2048;
const NODE_WEIGHT: usize = 64;

/// Questions and their answers.
pub(super) struct Answers<Q, A>(Mutex<Kept<Q, A>>);

struct Kept<Q, A> {
    list: Vec<(Q, A)>,
    oldest: usize,
}

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Answers<Q, A> {
        Answers(Mutex::new(Kept { list: vec![], oldest: 0 }))
    }
}

impl<Q, A: Copy> Answers<Q, A> {
    /// The answer to a question that was asked before.
    pub(super) fn find(&self, is_it: impl Fn(&Q) -> bool) -> Option<A> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.list.iter().find(|(asked, _)| is_it(asked)).map(|(_, answer)| *answer)
    }

    /// Keeps the answer to a question.
    pub(super) fn keep(&self, question: Q, answer: A) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.list.len() < QUESTIONS_MAX {
            kept.list.push((question, answer));
            return;
        }
        let at = kept.oldest;
        kept.list[at] = (question, answer);
        kept.oldest = (at + 1) % QUESTIONS_MAX;
    }
}

/// Whether a condition is the same question to every statement, and a small one.
pub(super) fn lasts(e: &Expr) -> bool {
    let mut weight = 0;
    walk::visit(e, &mut |e| {
        weight += NODE_WEIGHT;
        if let Expr::Const { value, .. } = e {
            weight += weight_of(value);
        }
    });
    weight <= WEIGHT_MAX && volatility(e) == Volatility::Immutable
}

/// Whether a value is small enough to be kept.
pub(super) fn is_small(value: &Datum) -> bool {
    weight_of(value) <= WEIGHT_MAX
}

/// A value that shares its bytes with nothing else, which would stay as long as it does.
pub(super) fn own(value: &Datum) -> Datum {
    if let Datum::Bytes(bytes) = value { Datum::Bytes(bytes.to_vec().into()) } else { value.clone() }
}

fn weight_of(value: &Datum) -> usize {
    if let Datum::Bytes(bytes) = value { bytes.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_question_goes() {
        let answers: Answers<usize, usize> = Answers::default();
        for n in 0..QUESTIONS_MAX + 2 {
            answers.keep(n, n * n);
        }
        let answer = |n: usize| answers.find(|asked| *asked == n);
        assert_eq!([answer(0), answer(1)], [None, None]);
        assert!((2..QUESTIONS_MAX + 2).all(|n| answer(n) == Some(n * n)));
    }

    #[test]
    fn what_depends_on_more_than_the_values_is_no_lasting_question() {
        let number = Expr::Const { value: Datum::I32(1), ty: quarry_types::SqlType::INT4 };
        assert!(lasts(&Expr::And(vec![number.clone(); 4])));
        assert!(!lasts(&Expr::And(vec![number; WEIGHT_MAX / NODE_WEIGHT])));
        assert!(!lasts(&Expr::Param { number: 1, ty: quarry_types::SqlType::INT4 }));
    }
}
