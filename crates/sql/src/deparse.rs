//! Expressions of the syntax tree as SQL text that parses to the same tree, everything parenthesised.

use crate::ast::{self, Expr, ExprKind, Indirection, Literal, SqlValueFunction as V};
use quarry_common::{Error, Result};

/// The expression as text. Subqueries can't be stored this way: 0A000.
pub fn expr(e: &Expr) -> Result<String> {
    Ok(match &e.kind {
        ExprKind::ColumnRef { names, star } => {
            let mut out = names.iter().map(|n| ident(n)).collect::<Vec<_>>().join(".");
            if *star {
                out.push_str(if names.is_empty() { "*" } else { ".*" });
            }
            out
        }
        ExprKind::Param(n) => format!("${n}"),
        ExprKind::Const(l) => literal(l),
        ExprKind::TypeCast { arg, type_name: t } => format!("({})::{}", expr(arg)?, type_name(t)?),
        ExprKind::Collate { arg, collation } => {
            format!(
                "({} COLLATE {})",
                expr(arg)?,
                collation.iter().map(|n| ident(n)).collect::<Vec<_>>().join(".")
            )
        }
        ExprKind::Op { op, left: None, right } => format!("({} {})", operator(op), expr(right)?),
        ExprKind::Op { op, left: Some(l), right } => {
            format!("({} {} {})", expr(l)?, operator(op), expr(right)?)
        }
        ExprKind::OpArray { op, left, array, all } => {
            format!(
                "({} {} {} ({}))",
                expr(left)?,
                operator(op),
                if *all { "ALL" } else { "ANY" },
                expr(array)?
            )
        }
        ExprKind::Distinct { left, right, negated } => {
            format!(
                "({} IS {}DISTINCT FROM {})",
                expr(left)?,
                if *negated { "NOT " } else { "" },
                expr(right)?
            )
        }
        ExprKind::NullIf { left, right } => format!("NULLIF({}, {})", expr(left)?, expr(right)?),
        ExprKind::In { left, list: l, negated } => {
            format!("({} {}IN ({}))", expr(left)?, if *negated { "NOT " } else { "" }, list(l)?)
        }
        ExprKind::Like { kind, left, pattern, negated } => {
            format!("({} {} {})", expr(left)?, kind.operator(*negated), expr(pattern)?)
        }
        ExprKind::Between { arg, low, high, negated, symmetric } => format!(
            "({} {}BETWEEN {}{} AND {})",
            expr(arg)?,
            if *negated { "NOT " } else { "" },
            if *symmetric { "SYMMETRIC " } else { "" },
            expr(low)?,
            expr(high)?
        ),
        ExprKind::And(args) => joined(args, " AND ")?,
        ExprKind::Or(args) => joined(args, " OR ")?,
        ExprKind::Not(arg) => format!("(NOT {})", expr(arg)?),
        ExprKind::NullTest { arg, negated } => {
            format!("({} IS {}NULL)", expr(arg)?, if *negated { "NOT " } else { "" })
        }
        ExprKind::BooleanTest { arg, test } => {
            let test = match test {
                ast::BooleanTest::IsTrue => "TRUE",
                ast::BooleanTest::IsNotTrue => "NOT TRUE",
                ast::BooleanTest::IsFalse => "FALSE",
                ast::BooleanTest::IsNotFalse => "NOT FALSE",
                ast::BooleanTest::IsUnknown => "UNKNOWN",
                ast::BooleanTest::IsNotUnknown => "NOT UNKNOWN",
            };
            format!("({} IS {test})", expr(arg)?)
        }
        ExprKind::Row { fields, .. } => format!("ROW({})", list(fields)?),
        ExprKind::Array(elements) => format!("ARRAY[{}]", list(elements)?),
        ExprKind::Indirection { arg, steps } => indirection(arg, steps)?,
        ExprKind::Case(c) => case(c)?,
        ExprKind::Coalesce(args) => format!("COALESCE({})", list(args)?),
        ExprKind::MinMax { greatest, args } => {
            format!("{}({})", if *greatest { "GREATEST" } else { "LEAST" }, list(args)?)
        }
        ExprKind::SqlValue(v) => sql_value(*v),
        ExprKind::FuncCall(f) => call(f)?,
        ExprKind::SubLink(_) => return Err(Error::unsupported("a stored expression with a subquery")),
        ExprKind::Grouping(_) | ExprKind::SetToDefault | ExprKind::CurrentOf(_) | ExprKind::Xml(_) => {
            return Err(Error::unsupported("storing this expression"));
        }
    })
}

/// A name, quoted where it has to be.
pub fn ident(name: &str) -> String {
    quarry_catalog::quote_identifier(name)
}

/// A string constant.
pub fn string(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", escaped.replace('\\', "\\\\")) } else { format!("'{escaped}'") }
}

fn literal(l: &Literal) -> String {
    match l {
        Literal::Integer(i) if *i < 0 => format!("({i})"),
        Literal::Integer(i) => i.to_string(),
        Literal::Float(text) if text.starts_with('-') => format!("({text})"),
        Literal::Float(text) => text.clone(),
        Literal::String(s) => string(s),
        Literal::BitString(s) => {
            let (kind, digits) = s.split_at(1);
            format!("{}'{digits}'", kind.to_ascii_uppercase())
        }
        Literal::Boolean(b) => b.to_string(),
        Literal::Null => "NULL".into(),
    }
}

fn operator(op: &ast::OpName) -> String {
    if op.schema.is_empty() {
        return op.name.clone();
    }
    let schema = op.schema.iter().map(|s| ident(s)).collect::<Vec<_>>().join(".");
    format!("OPERATOR({schema}.{})", op.name)
}

fn list(items: &[Expr]) -> Result<String> {
    Ok(items.iter().map(expr).collect::<Result<Vec<_>>>()?.join(", "))
}

fn joined(items: &[Expr], word: &str) -> Result<String> {
    Ok(format!("({})", items.iter().map(expr).collect::<Result<Vec<_>>>()?.join(word)))
}

fn indirection(arg: &Expr, steps: &[Indirection]) -> Result<String> {
    let mut out = format!("({})", expr(arg)?);
    for s in steps {
        match s {
            Indirection::Field(f) => {
                out.push('.');
                out.push_str(&ident(f));
            }
            Indirection::Star => out.push_str(".*"),
            Indirection::Index(i) => out.push_str(&format!("[{}]", expr(i)?)),
            Indirection::Slice { lower, upper } => {
                let side = |e: &Option<Box<Expr>>| e.as_ref().map_or(Ok(String::new()), |e| expr(e));
                out.push_str(&format!("[{}:{}]", side(lower)?, side(upper)?));
            }
        }
    }
    Ok(out)
}

fn case(c: &ast::CaseExpr) -> Result<String> {
    let mut out = String::from("CASE");
    if let Some(arg) = &c.arg {
        out.push_str(&format!(" {}", expr(arg)?));
    }
    for w in &c.whens {
        out.push_str(&format!(" WHEN {} THEN {}", expr(&w.condition)?, expr(&w.result)?));
    }
    if let Some(d) = &c.default {
        out.push_str(&format!(" ELSE {}", expr(d)?));
    }
    out.push_str(" END");
    Ok(out)
}

fn call(f: &ast::FuncCall) -> Result<String> {
    if f.over.is_some() || f.within_group || !f.order_by.is_empty() || f.filter.is_some() {
        return Err(Error::unsupported("storing an aggregate or window call"));
    }
    let name = f.name.iter().map(|n| ident(n)).collect::<Vec<_>>().join(".");
    if f.star {
        return Ok(format!("{name}(*)"));
    }
    let mut args = vec![];
    for (i, a) in f.args.iter().enumerate() {
        let mut text = String::new();
        if f.variadic && i + 1 == f.args.len() {
            text.push_str("VARIADIC ");
        }
        if let Some(n) = &a.name {
            text.push_str(&format!("{} => ", ident(n)));
        }
        text.push_str(&expr(&a.expr)?);
        args.push(text);
    }
    let distinct = if f.distinct { "DISTINCT " } else { "" };
    Ok(format!("{name}({distinct}{})", args.join(", ")))
}

fn sql_value(v: V) -> String {
    let with = |name: &str, p: Option<i32>| match p {
        Some(p) => format!("{name}({p})"),
        None => name.to_string(),
    };
    match v {
        V::CurrentDate => "CURRENT_DATE".into(),
        V::CurrentTime(p) => with("CURRENT_TIME", p),
        V::CurrentTimestamp(p) => with("CURRENT_TIMESTAMP", p),
        V::LocalTime(p) => with("LOCALTIME", p),
        V::LocalTimestamp(p) => with("LOCALTIMESTAMP", p),
        V::CurrentRole => "CURRENT_ROLE".into(),
        V::CurrentUser => "CURRENT_USER".into(),
        V::SessionUser => "SESSION_USER".into(),
        V::User => "USER".into(),
        V::CurrentCatalog => "CURRENT_CATALOG".into(),
        V::CurrentSchema => "CURRENT_SCHEMA".into(),
    }
}

/// A type's name with modifiers and dimensions.
pub fn type_name(t: &ast::TypeName) -> Result<String> {
    let mut out = t.names.iter().map(|n| ident(n)).collect::<Vec<_>>().join(".");
    if t.interval_fields.is_some() {
        return Err(Error::unsupported("storing a type with interval fields"));
    }
    if !t.typmods.is_empty() {
        out.push_str(&format!("({})", list(&t.typmods)?));
    }
    for b in &t.array_bounds {
        out.push_str(&if *b >= 0 { format!("[{b}]") } else { "[]".to_string() });
    }
    Ok(out)
}
