//! From the syntax of advanced regular expressions to that of the `regex` and `fancy-regex` crates.

use super::Flags;
use quarry_common::{Error, Result, err};

/// The error of a pattern that doesn't compile.
pub fn invalid(what: &str) -> Error {
    err!(INVALID_REGULAR_EXPRESSION, "invalid regular expression: {what}")
}

pub struct Translated {
    pub pattern: String,
    pub groups: usize,
    /// Needs back-references or look-around.
    pub backtracking: bool,
}

/// The largest repetition count.
const MAX_REPEAT: u32 = 255;

struct Translator {
    chars: Vec<char>,
    at: usize,
    flags: Flags,
    out: String,
    groups: usize,
    backtracking: bool,
    /// Something stands before that a quantifier may apply to.
    operand: bool,
    /// Open groups.
    depth: usize,
}

pub fn translate(text: &str, mut flags: Flags) -> Result<Translated> {
    let mut body = text;
    if let Some(rest) = body.strip_prefix("***=") {
        flags.literal = true;
        body = rest;
    } else if let Some(rest) = body.strip_prefix("***:") {
        flags.literal = false;
        body = rest;
    } else if body.starts_with("***") {
        return Err(invalid("invalid regexp"));
    }
    if !flags.literal
        && let Some(rest) = body.strip_prefix("(?")
        && rest.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        let Some((options, rest)) = rest.split_once(')') else {
            return Err(invalid("invalid embedded option"));
        };
        if !options.chars().all(|c| flags.set(c)) {
            return Err(invalid("invalid embedded option"));
        }
        body = rest;
    }
    let mut t = Translator {
        chars: body.chars().collect(),
        at: 0,
        flags,
        out: String::with_capacity(body.len() + 16),
        groups: 0,
        backtracking: has_lookaround(body),
        operand: false,
        depth: 0,
    };
    t.out.push_str(match (flags.ignore_case, flags.newline_stops) {
        (true, true) => "(?i)",
        (true, false) => "(?is)",
        (false, true) => "",
        (false, false) => "(?s)",
    });
    if flags.literal {
        for c in body.chars() {
            push_literal(&mut t.out, c);
        }
    } else {
        t.run()?;
    }
    Ok(Translated { pattern: t.out, groups: t.groups, backtracking: t.backtracking })
}

/// Whether the pattern may need the backtracker; word boundaries are written differently for it.
fn has_lookaround(body: &str) -> bool {
    if ["(?=", "(?!", "(?<"].iter().any(|p| body.contains(p)) {
        return true;
    }
    let mut escaped = false;
    for c in body.chars() {
        if escaped && ('1'..='9').contains(&c) {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_punctuation() || c == ' ' {
        if c.is_ascii_punctuation()
            && !matches!(
                c,
                '<' | '>' | '_' | '"' | '\'' | ',' | ':' | ';' | '=' | '!' | '@' | '%' | '`' | '/'
            )
        {
            out.push('\\');
        }
        out.push(c);
    } else {
        out.push(c);
    }
}

impl Translator {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn run(&mut self) -> Result<()> {
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '\\' => self.escape()?,
                '[' => self.bracket()?,
                '(' => self.open()?,
                ')' => {
                    if self.depth == 0 {
                        return Err(invalid("parentheses () not balanced"));
                    }
                    self.depth -= 1;
                    self.out.push(')');
                    self.operand = true;
                }
                '|' => {
                    self.out.push('|');
                    self.operand = false;
                }
                '*' | '+' | '?' => {
                    self.quantified()?;
                    self.out.push(c);
                    self.laziness();
                }
                '{' if self.peek(0).is_some_and(|d| d.is_ascii_digit()) => self.bound()?,
                '^' => {
                    self.out.push_str(if self.flags.newline_anchors { "(?m:^)" } else { "\\A" });
                    self.operand = false;
                }
                '$' => {
                    self.out.push_str(if self.flags.newline_anchors { "(?m:$)" } else { "\\z" });
                    self.operand = false;
                }
                '.' => {
                    self.out.push('.');
                    self.operand = true;
                }
                c if self.flags.expanded && c.is_whitespace() => {}
                '#' if self.flags.expanded => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                c => {
                    push_literal(&mut self.out, c);
                    self.operand = true;
                }
            }
        }
        if self.depth > 0 {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(())
    }

    /// A quantifier follows: it needs something to apply to, which it uses up.
    fn quantified(&mut self) -> Result<()> {
        if !self.operand {
            return Err(invalid("quantifier operand invalid"));
        }
        self.operand = false;
        Ok(())
    }

    fn laziness(&mut self) {
        if self.peek(0) == Some('?') {
            self.at += 1;
            self.out.push('?');
        }
    }

    fn number(&mut self) -> Result<Option<u32>> {
        let mut n: Option<u32> = None;
        while let Some(d) = self.peek(0).and_then(|c| c.to_digit(10)) {
            self.at += 1;
            let v = n.unwrap_or(0) * 10 + d;
            if v > MAX_REPEAT {
                return Err(invalid("invalid repetition count(s)"));
            }
            n = Some(v);
        }
        Ok(n)
    }

    fn bound(&mut self) -> Result<()> {
        self.quantified()?;
        let Some(low) = self.number()? else { return Err(invalid("invalid repetition count(s)")) };
        let high = if self.peek(0) == Some(',') {
            self.at += 1;
            self.number()?
        } else {
            Some(low)
        };
        if self.peek(0) != Some('}') {
            return Err(invalid(if self.peek(0).is_none() {
                "braces {} not balanced"
            } else {
                "invalid repetition count(s)"
            }));
        }
        self.at += 1;
        match high {
            Some(high) if high < low => return Err(invalid("invalid repetition count(s)")),
            Some(high) => self.out.push_str(&format!("{{{low},{high}}}")),
            None => self.out.push_str(&format!("{{{low},}}")),
        }
        self.laziness();
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        self.depth += 1;
        self.operand = false;
        if self.peek(0) != Some('?') {
            self.groups += 1;
            self.out.push('(');
            return Ok(());
        }
        let (kind, skip) = match (self.peek(1), self.peek(2)) {
            (Some(':'), _) => ("(?:", 2),
            (Some('='), _) => ("(?=", 2),
            (Some('!'), _) => ("(?!", 2),
            (Some('<'), Some('=')) => ("(?<=", 3),
            (Some('<'), Some('!')) => ("(?<!", 3),
            (Some('#'), _) => {
                while self.peek(0).is_some_and(|c| c != ')') {
                    self.at += 1;
                }
                if self.peek(0).is_none() {
                    return Err(invalid("parentheses () not balanced"));
                }
                self.at += 1;
                self.depth -= 1;
                return Ok(());
            }
            _ => return Err(invalid("quantifier operand invalid")),
        };
        self.at += skip;
        self.out.push_str(kind);
        Ok(())
    }

    /// A constraint: what a quantifier must not follow.
    fn constraint(&mut self, linear: &str, backtracking: &str) {
        self.out.push_str(if self.backtracking { backtracking } else { linear });
        self.operand = false;
    }

    fn escape(&mut self) -> Result<()> {
        let Some(c) = self.peek(0) else { return Err(invalid("invalid escape \\ sequence")) };
        self.operand = true;
        if c.is_ascii_digit() && c != '0' {
            let mut digits = String::new();
            while let Some(d) = self.peek(digits.len()).filter(char::is_ascii_digit) {
                digits.push(d);
            }
            // More than one digit can also be an octal character.
            let n: usize = digits.parse().unwrap_or(usize::MAX);
            if digits.len() == 1 || n <= self.groups {
                if n > self.groups {
                    return Err(invalid("invalid backreference number"));
                }
                self.at += digits.len();
                self.out.push_str(&format!("(?:\\{n})"));
                self.backtracking = true;
                return Ok(());
            }
        }
        match c {
            'd' | 'w' | 's' | 'D' | 'W' | 'S' => {
                self.at += 1;
                if self.flags.newline_stops && matches!(c, 'D' | 'W') {
                    self.out.push_str(&format!("[\\{c}&&[^\\n]]"));
                } else {
                    self.out.push('\\');
                    self.out.push(c);
                }
            }
            'A' => {
                self.at += 1;
                self.constraint("\\A", "\\A");
            }
            'Z' => {
                self.at += 1;
                self.constraint("\\z", "\\z");
            }
            'm' => {
                self.at += 1;
                self.constraint("\\b{start}", "(?<!\\w)(?=\\w)");
            }
            'M' => {
                self.at += 1;
                self.constraint("\\b{end}", "(?<=\\w)(?!\\w)");
            }
            'y' => {
                self.at += 1;
                self.constraint("\\b", "\\b");
            }
            'Y' => {
                self.at += 1;
                self.constraint("\\B", "\\B");
            }
            _ => {
                let c = self.escaped_char()?;
                push_literal(&mut self.out, c);
            }
        }
        Ok(())
    }

    /// The character an escape stands for; `at` is behind the backslash.
    fn escaped_char(&mut self) -> Result<char> {
        let bad = || invalid("invalid escape \\ sequence");
        let c = self.peek(0).ok_or_else(bad)?;
        self.at += 1;
        Ok(match c {
            'a' => '\x07',
            'b' => '\x08',
            'B' => '\\',
            'c' => {
                let x = self.peek(0).ok_or_else(bad)?;
                self.at += 1;
                char::from_u32(x as u32 & 0x1f).ok_or_else(bad)?
            }
            'e' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'u' => self.code(16, 4, 4)?,
            'U' => self.code(16, 8, 8)?,
            'x' => self.code(16, 1, 255)?,
            '0'..='9' => {
                self.at -= 1;
                self.code(8, 1, 3)?
            }
            c if c.is_ascii_alphanumeric() => return Err(bad()),
            c => c,
        })
    }

    fn code(&mut self, radix: u32, least: usize, most: usize) -> Result<char> {
        let mut n: u32 = 0;
        let mut count = 0;
        while count < most
            && let Some(d) = self.peek(0).and_then(|c| c.to_digit(radix))
        {
            n = n.saturating_mul(radix).saturating_add(d);
            self.at += 1;
            count += 1;
        }
        let c = (count >= least).then(|| char::from_u32(n)).flatten();
        c.ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    /// A bracket expression; `at` is behind the opening bracket.
    fn bracket(&mut self) -> Result<()> {
        let unbalanced = || invalid("brackets [] not balanced");
        let rest: String = self.chars[self.at..].iter().take(6).collect();
        if rest == "[:<:]]" || rest == "[:>:]]" {
            self.at += 6;
            if rest == "[:<:]]" {
                self.constraint("\\b{start}", "(?<!\\w)(?=\\w)");
            } else {
                self.constraint("\\b{end}", "(?<=\\w)(?!\\w)");
            }
            return Ok(());
        }
        self.operand = true;
        let mut class = String::from("[");
        let negated = self.peek(0) == Some('^');
        if negated {
            self.at += 1;
            class.push('^');
            if self.flags.newline_stops {
                class.push_str("\\n");
            }
        }
        let mut first = true;
        loop {
            let c = self.peek(0).ok_or_else(unbalanced)?;
            if c == ']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            let Some(low) = self.member(&mut class)? else { continue };
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(|c| c != ']') {
                self.at += 1;
                let high = self.member(&mut class)?.ok_or_else(|| invalid("invalid character range"))?;
                if high < low {
                    return Err(invalid("invalid character range"));
                }
                push_member(&mut class, low);
                class.push('-');
                push_member(&mut class, high);
            } else {
                push_member(&mut class, low);
            }
        }
        class.push(']');
        self.out.push_str(&class);
        Ok(())
    }

    /// One member of a bracket: a character to return, or a class, added at once.
    fn member(&mut self, class: &mut String) -> Result<Option<char>> {
        let unbalanced = || invalid("brackets [] not balanced");
        let c = self.peek(0).ok_or_else(unbalanced)?;
        self.at += 1;
        match (c, self.peek(0)) {
            ('\\', Some(e @ ('d' | 'w' | 's' | 'D' | 'W' | 'S'))) => {
                self.at += 1;
                class.push('\\');
                class.push(e);
                Ok(None)
            }
            ('\\', _) => self.escaped_char().map(Some),
            ('[', Some(kind @ (':' | '.' | '='))) => {
                self.at += 1;
                let start = self.at;
                while !(self.peek(0).ok_or_else(unbalanced)? == kind && self.peek(1) == Some(']')) {
                    self.at += 1;
                }
                let name: String = self.chars[start..self.at].iter().collect();
                self.at += 2;
                if kind == ':' {
                    class.push_str(class_named(&name).ok_or_else(|| invalid("invalid character class"))?);
                    return Ok(None);
                }
                let mut chars = name.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Ok(Some(c)),
                    _ => Err(invalid("invalid collating element")),
                }
            }
            _ => Ok(Some(c)),
        }
    }
}

fn push_member(class: &mut String, c: char) {
    if c.is_ascii_punctuation() {
        class.push('\\');
        // Angle brackets have a meaning when they are escaped.
        if matches!(c, '<' | '>') {
            class.pop();
        }
    }
    class.push(c);
}

fn class_named(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "\\p{Alphabetic}\\p{Nd}",
        "alpha" => "\\p{Alphabetic}",
        "blank" => " \\t",
        "cntrl" => "\\p{Cc}",
        "digit" => "0-9",
        "graph" => "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}",
        "lower" => "\\p{Lowercase}",
        "print" => "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Zs}",
        "punct" => "!-/:-@\\[-`{-~\\p{P}",
        "space" => "\\s",
        "upper" => "\\p{Uppercase}",
        "word" => "\\w",
        "xdigit" => "0-9a-fA-F",
        _ => return None,
    })
}
