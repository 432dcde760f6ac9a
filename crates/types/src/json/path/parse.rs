//! Text to path.

use super::scan::{Scanner, Token};
use super::*;
use quarry_common::{Error, Result, err};

/// Deepest nesting of expressions.
const NESTING_MAX: usize = 200;

struct Parser<'a> {
    scanner: Scanner<'a>,
    token: Token,
    depth: usize,
}

/// Reads a path.
pub fn parse(text: &str) -> Result<JsonPath> {
    let mut p = Parser { scanner: Scanner::new(text), token: Token::End, depth: 0 };
    p.advance()?;
    if p.token == Token::End {
        return Err(err!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type jsonpath: \"{text}\""));
    }
    let mut lax = true;
    if p.is_word("strict") {
        lax = false;
        p.advance()?;
    } else if p.is_word("lax") {
        p.advance()?;
    }
    let root = p.any()?;
    if p.token != Token::End {
        return Err(p.syntax());
    }
    check(&root, 0, false)?;
    Ok(JsonPath { lax, root })
}

/// `@` belongs in filters, `last` in subscripts.
fn check(node: &Node, filters: usize, in_subscript: bool) -> Result<()> {
    match &node.kind {
        Kind::Current if filters == 0 => {
            return Err(err!(SYNTAX_ERROR, "@ is not allowed in root expressions"));
        }
        Kind::Last if !in_subscript => {
            return Err(err!(SYNTAX_ERROR, "LAST is allowed only in array subscripts"));
        }
        Kind::Index(list) => {
            for (from, to) in list {
                check(from, filters, true)?;
                if let Some(to) = to {
                    check(to, filters, true)?;
                }
            }
        }
        Kind::Filter(a) => check(a, filters + 1, in_subscript)?,
        Kind::Not(a)
        | Kind::IsUnknown(a)
        | Kind::Exists(a)
        | Kind::LikeRegex(a, ..)
        | Kind::Plus(a)
        | Kind::Minus(a) => check(a, filters, in_subscript)?,
        Kind::And(a, b)
        | Kind::Or(a, b)
        | Kind::Compare(_, a, b)
        | Kind::StartsWith(a, b)
        | Kind::Arith(_, a, b) => {
            check(a, filters, in_subscript)?;
            check(b, filters, in_subscript)?;
        }
        _ => {}
    }
    match &node.next {
        Some(next) => check(next, filters, in_subscript),
        None => Ok(()),
    }
}

/// Words that aren't names where an expression stands.
fn is_keyword(word: &str, keyword: &str) -> bool {
    match keyword {
        "null" | "true" | "false" => word == keyword,
        _ => word.eq_ignore_ascii_case(keyword),
    }
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<()> {
        self.token = self.scanner.next()?;
        Ok(())
    }
    fn syntax(&self) -> Error {
        self.scanner.error("syntax error")
    }
    fn is_word(&self, keyword: &str) -> bool {
        matches!(&self.token, Token::Word(w) if is_keyword(w, keyword))
    }
    fn is_mark(&self, mark: &str) -> bool {
        matches!(self.token, Token::Mark(m) if m == mark)
    }
    fn take_mark(&mut self, mark: &str) -> Result<bool> {
        let hit = self.is_mark(mark);
        if hit {
            self.advance()?;
        }
        Ok(hit)
    }
    fn expect(&mut self, mark: &str) -> Result<()> {
        if self.take_mark(mark)? { Ok(()) } else { Err(self.syntax()) }
    }
    fn expect_word(&mut self, word: &str) -> Result<()> {
        if !self.is_word(word) {
            return Err(self.syntax());
        }
        self.advance()
    }
    fn predicate_or_error(&self, node: Node) -> Result<Node> {
        if node.is_predicate() { Ok(node) } else { Err(self.syntax()) }
    }
    fn expr_or_error(&self, node: Node) -> Result<Node> {
        if node.is_predicate() { Err(self.syntax()) } else { Ok(node) }
    }

    /// An expression or a predicate.
    fn any(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(crate::json::too_deep());
        }
        let node = self.or();
        self.depth -= 1;
        node
    }
    fn predicate(&mut self) -> Result<Node> {
        let n = self.any()?;
        self.predicate_or_error(n)
    }
    fn expr(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(crate::json::too_deep());
        }
        let n = self.sum()?;
        self.depth -= 1;
        self.expr_or_error(n)
    }

    fn or(&mut self) -> Result<Node> {
        let mut left = self.and()?;
        while self.is_mark("||") {
            left = self.predicate_or_error(left)?;
            self.advance()?;
            let right = self.and()?;
            let right = self.predicate_or_error(right)?;
            left = Node::new(Kind::Or(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node> {
        let mut left = self.comparison()?;
        while self.is_mark("&&") {
            left = self.predicate_or_error(left)?;
            self.advance()?;
            let right = self.comparison()?;
            let right = self.predicate_or_error(right)?;
            left = Node::new(Kind::And(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node> {
        if self.take_mark("!")? {
            // Only a predicate in parentheses or exists() can be negated.
            let inner = if self.is_word("exists") {
                self.exists()?
            } else {
                self.expect("(")?;
                let inner = self.predicate()?;
                self.expect(")")?;
                inner
            };
            return Ok(Node::new(Kind::Not(Box::new(inner))));
        }
        if self.is_word("exists") {
            return self.exists();
        }
        let left = self.sum()?;
        let op = match &self.token {
            Token::Mark("==" | "=") => Comparison::Equal,
            Token::Mark("!=" | "<>") => Comparison::NotEqual,
            Token::Mark("<") => Comparison::Less,
            Token::Mark(">") => Comparison::Greater,
            Token::Mark("<=") => Comparison::LessOrEqual,
            Token::Mark(">=") => Comparison::GreaterOrEqual,
            Token::Word(w) if is_keyword(w, "starts") => return self.starts_with(left),
            Token::Word(w) if is_keyword(w, "like_regex") => return self.like_regex(left),
            _ => return Ok(left),
        };
        let left = self.expr_or_error(left)?;
        self.advance()?;
        let right = self.sum()?;
        let right = self.expr_or_error(right)?;
        Ok(Node::new(Kind::Compare(op, Box::new(left), Box::new(right))))
    }

    fn exists(&mut self) -> Result<Node> {
        self.advance()?;
        self.expect("(")?;
        let inner = self.expr()?;
        self.expect(")")?;
        Ok(Node::new(Kind::Exists(Box::new(inner))))
    }

    fn starts_with(&mut self, left: Node) -> Result<Node> {
        let left = self.expr_or_error(left)?;
        self.advance()?;
        self.expect_word("with")?;
        let initial = match &self.token {
            Token::String(s) => Kind::String(s.clone()),
            Token::Variable(s) => Kind::Variable(s.clone()),
            _ => return Err(self.syntax()),
        };
        self.advance()?;
        Ok(Node::new(Kind::StartsWith(Box::new(left), Box::new(Node::new(initial)))))
    }

    fn like_regex(&mut self, left: Node) -> Result<Node> {
        let left = self.expr_or_error(left)?;
        self.advance()?;
        let Token::String(pattern) = &self.token else { return Err(self.syntax()) };
        let pattern = pattern.clone();
        self.advance()?;
        let mut flags = RegexFlags::default();
        if self.is_word("flag") {
            self.advance()?;
            let Token::String(letters) = &self.token else { return Err(self.syntax()) };
            flags = regex_flags(letters)?;
            self.advance()?;
        }
        Ok(Node::new(Kind::LikeRegex(Box::new(left), pattern, flags)))
    }

    fn sum(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        loop {
            let op = match self.token {
                Token::Mark("+") => Arith::Add,
                Token::Mark("-") => Arith::Sub,
                _ => return Ok(left),
            };
            left = self.expr_or_error(left)?;
            self.advance()?;
            let right = self.product()?;
            let right = self.expr_or_error(right)?;
            left = Node::new(Kind::Arith(op, Box::new(left), Box::new(right)));
        }
    }

    fn product(&mut self) -> Result<Node> {
        let mut left = self.unary()?;
        loop {
            let op = match self.token {
                Token::Mark("*") => Arith::Mul,
                Token::Mark("/") => Arith::Div,
                Token::Mark("%") => Arith::Mod,
                _ => return Ok(left),
            };
            left = self.expr_or_error(left)?;
            self.advance()?;
            let right = self.unary()?;
            let right = self.expr_or_error(right)?;
            left = Node::new(Kind::Arith(op, Box::new(left), Box::new(right)));
        }
    }

    fn unary(&mut self) -> Result<Node> {
        let minus = match self.token {
            Token::Mark("+") => false,
            Token::Mark("-") => true,
            _ => return self.accessors(),
        };
        self.advance()?;
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(crate::json::too_deep());
        }
        let inner = self.unary()?;
        self.depth -= 1;
        let inner = self.expr_or_error(inner)?;
        // The sign of a literal is part of it.
        if let (Kind::Number(n), None) = (&inner.kind, &inner.next) {
            return Ok(if minus { Node::new(Kind::Number(n.view().neg())) } else { inner });
        }
        let inner = Box::new(inner);
        Ok(Node::new(if minus { Kind::Minus(inner) } else { Kind::Plus(inner) }))
    }

    fn accessors(&mut self) -> Result<Node> {
        let mut node;
        if self.take_mark("(")? {
            node = self.any()?;
            self.expect(")")?;
            if node.is_predicate() && self.is_word("is") {
                self.advance()?;
                self.expect_word("unknown")?;
                return Ok(Node::new(Kind::IsUnknown(Box::new(node))));
            }
        } else {
            node = self.primary()?;
        }
        while let Some(step) = self.accessor()? {
            append(&mut node, step);
        }
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node> {
        let kind = match &self.token {
            Token::Mark("$") => Kind::Root,
            Token::Mark("@") => Kind::Current,
            Token::String(s) => Kind::String(s.clone()),
            Token::Variable(s) => Kind::Variable(s.clone()),
            Token::Int(s) | Token::Number(s) => Kind::Number(Numeric::parse(s)?),
            Token::Word(w) if is_keyword(w, "null") => Kind::Null,
            Token::Word(w) if is_keyword(w, "true") => Kind::Bool(true),
            Token::Word(w) if is_keyword(w, "false") => Kind::Bool(false),
            Token::Word(w) if is_keyword(w, "last") => Kind::Last,
            _ => return Err(self.syntax()),
        };
        self.advance()?;
        Ok(Node::new(kind))
    }

    fn accessor(&mut self) -> Result<Option<Node>> {
        let kind = match self.token {
            Token::Mark("[") => {
                self.advance()?;
                if self.take_mark("*")? {
                    self.expect("]")?;
                    Kind::AnyArray
                } else {
                    self.subscripts()?
                }
            }
            Token::Mark("?") => {
                self.advance()?;
                self.expect("(")?;
                let p = self.predicate()?;
                self.expect(")")?;
                Kind::Filter(Box::new(p))
            }
            Token::Mark(".") => {
                self.advance()?;
                return self.member().map(Some);
            }
            _ => return Ok(None),
        };
        Ok(Some(Node::new(kind)))
    }

    fn subscripts(&mut self) -> Result<Kind> {
        let mut list = Vec::new();
        loop {
            let from = self.expr()?;
            let to = if self.is_word("to") {
                self.advance()?;
                Some(self.expr()?)
            } else {
                None
            };
            list.push((from, to));
            if !self.take_mark(",")? {
                break;
            }
        }
        self.expect("]")?;
        Ok(Kind::Index(list))
    }

    /// What follows a dot.
    fn member(&mut self) -> Result<Node> {
        let kind = match &self.token {
            Token::Mark("*") => {
                self.advance()?;
                Kind::AnyKey
            }
            Token::Mark("**") => {
                self.advance()?;
                self.levels()?
            }
            Token::String(s) => {
                let key = s.clone();
                self.advance()?;
                Kind::Key(key)
            }
            Token::Word(w) => {
                let word = w.clone();
                self.advance()?;
                if self.is_mark("(") { self.method(&word)? } else { Kind::Key(word) }
            }
            _ => return Err(self.syntax()),
        };
        Ok(Node::new(kind))
    }

    fn method(&mut self, word: &str) -> Result<Kind> {
        const METHODS: [Method; 7] = [
            Method::Abs,
            Method::Ceiling,
            Method::Double,
            Method::Floor,
            Method::KeyValue,
            Method::Size,
            Method::Type,
        ];
        let method = METHODS.iter().find(|m| is_keyword(word, m.name()));
        let is_datetime = is_keyword(word, "datetime");
        if method.is_none() && !is_datetime {
            return Err(self.syntax());
        }
        self.expect("(")?;
        let mut template = None;
        if is_datetime && let Token::String(s) = &self.token {
            template = Some(s.clone());
            self.advance()?;
        }
        self.expect(")")?;
        Ok(match method {
            Some(m) => Kind::Method(*m),
            None => Kind::Datetime(template),
        })
    }

    fn levels(&mut self) -> Result<Kind> {
        if !self.take_mark("{")? {
            return Ok(Kind::Any(0, u32::MAX));
        }
        let first = self.level()?;
        let mut last = first;
        if self.is_word("to") {
            self.advance()?;
            last = self.level()?;
        }
        self.expect("}")?;
        Ok(Kind::Any(first, last))
    }

    fn level(&mut self) -> Result<u32> {
        let level = match &self.token {
            Token::Int(s) => s.parse::<i32>().map(|v| v as u32).map_err(|_| {
                err!(NUMERIC_VALUE_OUT_OF_RANGE, "value \"{s}\" is out of range for type integer")
            })?,
            Token::Word(w) if is_keyword(w, "last") => u32::MAX,
            _ => return Err(self.syntax()),
        };
        self.advance()?;
        Ok(level)
    }
}

/// Puts a step at the end of a chain.
fn append(node: &mut Node, step: Node) {
    let mut at = &mut node.next;
    while let Some(next) = at {
        at = &mut next.next;
    }
    *at = Some(Box::new(step));
}

fn regex_flags(letters: &str) -> Result<RegexFlags> {
    let mut flags = RegexFlags::default();
    for c in letters.chars() {
        match c {
            'i' => flags.ignore_case = true,
            's' => flags.dot_all = true,
            'm' => flags.multi_line = true,
            'q' => flags.quote = true,
            'x' => {
                return Err(err!(
                    FEATURE_NOT_SUPPORTED,
                    "XQuery \"x\" flag (expanded regular expressions) is not implemented"
                ));
            }
            c => {
                return Err(err!(SYNTAX_ERROR, "invalid input syntax for type jsonpath")
                    .detail(format!("Unrecognized flag character \"{c}\" in LIKE_REGEX predicate.")));
            }
        }
    }
    Ok(flags)
}
