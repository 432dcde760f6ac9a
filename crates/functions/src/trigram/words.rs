//! Word similarity: how similar a text is to the most similar part of another one.

use super::{Place, Trigram, each, share};
use hashbrown::HashMap;

/// Which parts count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// Any run of trigrams.
    Any,
    /// Whole words.
    Words,
}

/// The other text's trigrams by number, in order.
struct Searched {
    numbers: Vec<u32>,
    places: Vec<Place>,
    /// By number: whether the wanted text has it.
    wanted: Vec<bool>,
    /// Distinct trigrams of the wanted text.
    wanted_count: usize,
}

fn numbered(wanted: &str, text: &str) -> Searched {
    let mut ids: HashMap<Trigram, u32> = HashMap::new();
    let mut of = |t: Trigram| {
        let next = ids.len() as u32;
        *ids.entry(t).or_insert(next)
    };
    let (mut numbers, mut places) = (Vec::new(), Vec::new());
    let mut wanted_count = 0;
    each(wanted, |t, _| wanted_count = wanted_count.max(of(t) as usize + 1));
    each(text, |t, place| {
        numbers.push(of(t));
        places.push(place);
    });
    let wanted = (0..ids.len()).map(|i| i < wanted_count).collect();
    Searched { numbers, places, wanted, wanted_count }
}

const NOWHERE: usize = usize::MAX;

/// A run of trigrams of the searched text, with what it has.
#[derive(Clone, Copy)]
struct Run {
    /// Where it begins.
    lower: usize,
    distinct: usize,
    common: usize,
}

impl Searched {
    fn share(&self, run: Run) -> f32 {
        share(run.common, self.wanted_count, run.distinct)
    }

    /// The run's end is `upper`: shortens it from the front to the one most like the wanted text. Stops at `enough`.
    fn shorten(
        &self,
        run: Run,
        upper: usize,
        last: &[usize],
        extent: Extent,
        enough: Option<f64>,
    ) -> (Run, f32) {
        let mut best = (run, self.share(run));
        let mut now = run;
        for lower in run.lower..=upper {
            if extent == Extent::Any || self.places[lower].first {
                let candidate = Run { lower, ..now };
                let found = self.share(candidate);
                if found > best.1 {
                    best = (candidate, found);
                }
                if enough.is_some_and(|e| f64::from(best.1) >= e) {
                    break;
                }
            }
            let number = self.numbers[lower] as usize;
            if last[number] == lower {
                now.distinct -= 1;
                now.common -= usize::from(self.wanted[number]);
            }
        }
        best
    }
}

/// The similarity of the wanted text to the part of `text` most like it. With `enough`, something at least that great will do.
pub fn word_similarity(wanted: &str, text: &str, extent: Extent, enough: Option<f64>) -> f32 {
    let searched = numbered(wanted, text);
    let mut greatest = 0f32;
    // Where each trigram of the run was last.
    let mut last = vec![NOWHERE; searched.wanted.len()];
    let mut run: Option<Run> = (extent == Extent::Words).then_some(Run { lower: 0, distinct: 0, common: 0 });
    for (i, number) in searched.numbers.iter().enumerate() {
        let number = *number as usize;
        let wanted = searched.wanted[number];
        let ends = match extent {
            Extent::Any => wanted,
            Extent::Words => searched.places[i].last,
        };
        if run.is_none() && wanted {
            run = Some(Run { lower: i, distinct: 0, common: 0 });
        }
        let Some(now) = &mut run else { continue };
        if last[number] == NOWHERE {
            now.distinct += 1;
            now.common += usize::from(wanted);
        }
        last[number] = i;
        if !ends {
            continue;
        }
        let before = now.lower;
        let (best, found) = searched.shorten(*now, i, &last, extent, enough);
        *now = best;
        greatest = greatest.max(found);
        if enough.is_some_and(|e| f64::from(greatest) >= e) {
            break;
        }
        for left in before..best.lower {
            let number = searched.numbers[left] as usize;
            if last[number] == left {
                last[number] = NOWHERE;
            }
        }
    }
    greatest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_similarities_are_postgresqls() {
        let any = |a, b| word_similarity(a, b, Extent::Any, None);
        let words = |a, b| word_similarity(a, b, Extent::Words, None);
        assert_eq!(any("word", "two words"), 0.8);
        assert_eq!(words("word", "two words"), 0.571_428_6);
        assert_eq!(any("", "x"), 0.0);
        assert_eq!(any("x", ""), 0.0);
        assert_eq!(any("abc", "xyz"), 0.0);
    }
}
