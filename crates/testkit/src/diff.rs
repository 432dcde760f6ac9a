//! Unified diffs of texts, for reports (the longest common subsequence after the equal ends are set aside).

const CONTEXT: usize = 3;
/// Above this product of lengths the middle is shown as removed and added whole, instead of filling a table.
const TABLE_CELLS_MAX: usize = 64 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The differences from `want` to `got` in the unified format; empty if they are equal.
pub fn unified(want: &str, got: &str, want_name: &str, got_name: &str) -> String {
    if want == got {
        return String::new();
    }
    let a: Vec<&str> = want.lines().collect();
    let b: Vec<&str> = got.lines().collect();
    let script = edits(&a, &b);
    let mut out = format!("--- {want_name}\n+++ {got_name}\n");
    let mut at = 0;
    let changed: Vec<usize> =
        script.iter().enumerate().filter(|(_, e)| **e != Edit::Keep).map(|(i, _)| i).collect();
    if changed.is_empty() {
        out.push_str("(only line endings differ)\n");
    }
    while at < changed.len() {
        let mut last = at;
        while last + 1 < changed.len() && changed[last + 1] - changed[last] <= 2 * CONTEXT {
            last += 1;
        }
        let from = changed[at].saturating_sub(CONTEXT);
        let to = (changed[last] + CONTEXT + 1).min(script.len());
        write_hunk(&mut out, &a, &b, &script, from, to);
        at = last + 1;
    }
    out
}

fn write_hunk(out: &mut String, a: &[&str], b: &[&str], script: &[Edit], from: usize, to: usize) {
    let (mut i, mut j) = (0, 0);
    for edit in &script[..from] {
        i += usize::from(*edit != Edit::Add);
        j += usize::from(*edit != Edit::Remove);
    }
    let lines_a = script[from..to].iter().filter(|e| **e != Edit::Add).count();
    let lines_b = script[from..to].iter().filter(|e| **e != Edit::Remove).count();
    out.push_str(&format!("@@ -{},{lines_a} +{},{lines_b} @@\n", i + 1, j + 1));
    for edit in &script[from..to] {
        let (mark, line) = match edit {
            Edit::Keep => (' ', a[i]),
            Edit::Remove => ('-', a[i]),
            Edit::Add => ('+', b[j]),
        };
        out.push(mark);
        out.push_str(line);
        out.push('\n');
        i += usize::from(*edit != Edit::Add);
        j += usize::from(*edit != Edit::Remove);
    }
}

fn edits(a: &[&str], b: &[&str]) -> Vec<Edit> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let mut script = vec![Edit::Keep; head];
    middle(&a[head..a.len() - tail], &b[head..b.len() - tail], &mut script);
    script.extend(std::iter::repeat_n(Edit::Keep, tail));
    script
}

fn middle(a: &[&str], b: &[&str], script: &mut Vec<Edit>) {
    if a.len().saturating_mul(b.len()) > TABLE_CELLS_MAX {
        script.extend(std::iter::repeat_n(Edit::Remove, a.len()));
        script.extend(std::iter::repeat_n(Edit::Add, b.len()));
        return;
    }
    // common[i][j]: the length of the longest common subsequence of a[i..] and b[j..].
    let width = b.len() + 1;
    let mut common = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            script.push(Edit::Keep);
            i += 1;
            j += 1;
        } else if i < a.len() && (j == b.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            script.push(Edit::Remove);
            i += 1;
        } else {
            script.push(Edit::Add);
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(unified("a\nb\n", "a\nb\n", "x", "y"), "");
    }

    #[test]
    fn a_changed_line() {
        let diff = unified("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "w", "g");
        assert_eq!(diff, "--- w\n+++ g\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    }

    #[test]
    fn far_changes_get_their_own_hunks() {
        let want: String = (0..30).map(|n| format!("{n}\n")).collect();
        let got = want.replace("3\n", "x\n").replace("25\n", "");
        let diff = unified(&want, &got, "w", "g");
        assert_eq!(diff.matches("@@ -").count(), 3, "{diff}");
        assert!(diff.contains("-25\n"));
    }
}
