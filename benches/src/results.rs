//! The part of `RESULTS.md` that a run writes: between two marks, one section a subject. What stands around it, and the
//! sections of subjects that a run leaves out, stay as they are.

use std::path::Path;

/// Before the sections.
pub const BEGIN: &str = "<!-- written by `cargo xtask bench`: begin -->";
/// After them.
pub const END: &str = "<!-- written by `cargo xtask bench`: end -->";

/// Puts a section into the file: in the place of the one with the same heading, or after the others in the order of `titles`.
pub fn write(file: &Path, title: &str, section: &str, titles: &[&str]) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let text = with_section(&text, title, section, titles)
        .ok_or_else(|| format!("{} has no line `{BEGIN}` before a line `{END}`", file.display()))?;
    std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}

fn with_section(text: &str, title: &str, section: &str, titles: &[&str]) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (block, after) = rest.split_once(END)?;
    let mut sections: Vec<(&str, &str)> = block
        .split("\n### ")
        .skip(1)
        .filter_map(|s| s.split_once('\n'))
        .filter(|(name, _)| *name != title)
        .collect();
    let body = section.split_once('\n').map_or("", |(_, body)| body);
    sections.push((title, body));
    let rank = |name: &str| titles.iter().position(|t| *t == name).unwrap_or(titles.len());
    sections.sort_by_key(|(name, _)| rank(name));
    let all: String =
        sections.iter().map(|(name, body)| format!("\n### {name}\n\n{}\n", body.trim())).collect();
    Some(format!("{before}{BEGIN}\n{all}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_replaced_and_the_rest_stays() {
        let titles = ["a", "b", "c"];
        let empty = format!("# Results\n\nprose\n\n{BEGIN}\n{END}\n\n## old\n### not ours\n");
        let with_c = with_section(&empty, "c", "### c\n\nthree\n", &titles).expect("it has the marks");
        let with_a = with_section(&with_c, "a", "### a\n\none\n", &titles).expect("it has the marks");
        let again = with_section(&with_a, "c", "### c\n\n3\n", &titles).expect("it has the marks");
        assert_eq!(
            again,
            format!(
                "# Results\n\nprose\n\n{BEGIN}\n\n### a\n\none\n\n### c\n\n3\n\n{END}\n\n## old\n### not ours\n"
            )
        );
        assert_eq!(with_section(&again, "c", "### c\n\n3\n", &titles).as_deref(), Some(again.as_str()));
        assert!(with_section("no marks", "c", "### c\n", &titles).is_none());
    }
}
