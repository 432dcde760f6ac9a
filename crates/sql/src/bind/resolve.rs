//! Which function or operator a call means (PostgreSQL: parse_func.c, parse_oper.c; manual chapter 10.2, 10.3).

use super::coerce::{at, is_polymorphic};
use super::{Binder, Typed};
use crate::ast::{self, NO_POS, Pos};
use quarry_catalog::builtin::{operators, procs};
use quarry_common::{Error, Oid, Result, err};
use quarry_functions::{CastContext, FunctionDef, FunctionKind, OperatorDef, registry};
use quarry_types::{SqlType, oids};

/// A function as it may be called: argument types after VARIADIC expansion and defaults.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub def: &'static FunctionDef,
    /// One type per argument given (and defaulted).
    pub args: Vec<Oid>,
    /// How many trailing given arguments are gathered into the variadic array; none: not expanded.
    pub variadic_from: Option<usize>,
    /// Defaults to add.
    pub defaults: usize,
    /// For calls with named arguments: `order[i]` is the position of given argument i in the declaration.
    pub order: Option<Vec<usize>>,
    /// How many of those come without a name.
    pub positional: usize,
}

/// What a call came out as.
pub(super) enum Resolved {
    Function(Candidate),
    /// `typename(expr)`: a cast written as a call.
    Cast(SqlType),
}

impl Binder<'_> {
    /// Every function of that name that takes as many arguments.
    fn candidates(
        &self,
        name: &[String],
        names: &[Option<String>],
        given: usize,
        variadic_call: bool,
        pos: Pos,
    ) -> Result<Vec<Candidate>> {
        let (schema, function) = split_name(name, pos)?;
        let mut found = vec![];
        for def in self.reader.functions(schema, function).map_err(|e| at(e, pos))?.iter().copied() {
            if let Some(c) = fit(def, names, given, variadic_call) {
                found.push(c);
            }
        }
        // An expanded variadic function loses to a plain one with the same types.
        let plain: Vec<Vec<Oid>> =
            found.iter().filter(|c| c.variadic_from.is_none()).map(|c| c.args.clone()).collect();
        found.retain(|c| c.variadic_from.is_none() || !plain.contains(&c.args));
        Ok(found)
    }

    /// Finds the function for these arguments; 42883 or 42725 otherwise.
    pub(super) fn resolve_function(
        &mut self,
        name: &[String],
        args: &[Typed],
        names: &[Option<String>],
        variadic_call: bool,
        pos: Pos,
    ) -> Result<Resolved> {
        let given: Vec<Oid> = args.iter().map(|a| a.expr.ty().oid).collect();
        let candidates = self.candidates(name, names, given.len(), variadic_call, pos)?;
        let types_of = |c: &Candidate| -> Vec<Oid> {
            match &c.order {
                Some(order) => order.iter().map(|p| c.args[*p]).collect(),
                None => c.args[..given.len()].to_vec(),
            }
        };
        if let Some(exact) = candidates.iter().find(|c| types_of(c) == given) {
            return Ok(Resolved::Function(exact.clone()));
        }
        // A type's name with one argument is a cast if that needs no function, or goes through text.
        if let ([arg], true) = (args, names.iter().all(Option::is_none))
            && let Some(target) = self.reader.find_type(name)?
        {
            let source = arg.expr.ty().oid;
            let as_cast = source == oids::UNKNOWN
                || self.is_binary_coercible(source, target)?
                || match self.find_pathway(source, target, CastContext::Explicit)? {
                    Some(super::coerce::Pathway::Relabel) => true,
                    Some(super::coerce::Pathway::Io) => {
                        // Not for composite sources, and not to strings: those would hide typing mistakes.
                        !(self.is_composite(source)? && self.category(target)?.0 == 'S')
                    }
                    _ => false,
                };
            if as_cast {
                return Ok(Resolved::Cast(SqlType::of(target)));
            }
        }
        let mut matching = vec![];
        for c in candidates {
            let mut fits = true;
            for (from, to) in given.iter().zip(types_of(&c)) {
                if !self.can_coerce(*from, to, CastContext::Implicit)? {
                    fits = false;
                    break;
                }
            }
            if fits && self.polymorphic_agree(&types_of(&c), &given) {
                matching.push(c);
            }
        }
        let types: Vec<Vec<Oid>> = matching.iter().map(types_of).collect();
        match matching.len() {
            0 => Err(self.no_function(name, args, names, pos)),
            1 => Ok(Resolved::Function(matching.remove(0))),
            _ => match self.select_candidate(&given, &types)? {
                Some(i) => Ok(Resolved::Function(matching.swap_remove(i))),
                None => {
                    let e = err!(AMBIGUOUS_FUNCTION, "function {} is not unique", self.signature(name, args, names))
                        .hint("Could not choose a best candidate function. You might need to add explicit type casts.");
                    Err(at(e, pos))
                }
            },
        }
    }

    fn signature(&self, name: &[String], args: &[Typed], names: &[Option<String>]) -> String {
        let args: Vec<String> = args
            .iter()
            .enumerate()
            .map(|(i, a)| match names.get(i).and_then(Option::as_ref) {
                Some(n) => format!("{n} => {}", self.type_name(a.expr.ty().oid)),
                None => self.type_name(a.expr.ty().oid),
            })
            .collect();
        format!("{}({})", name.join("."), args.join(", "))
    }

    fn no_function(&self, name: &[String], args: &[Typed], names: &[Option<String>], pos: Pos) -> Error {
        let types: Vec<Oid> = args.iter().map(|a| a.expr.ty().oid).collect();
        let bare = match name {
            [bare] => Some(bare),
            [schema, bare] if schema == "pg_catalog" => Some(bare),
            _ => None,
        };
        if let Some(bare) = bare
            && procs::procs_named(bare).any(|p| {
                let optional = p.args.len().saturating_sub(types.len());
                optional <= p.defaults && registry::function(p.oid).is_none() && self.takes(&p.args, &types)
            })
        {
            let what = format!("function {}", self.signature(name, args, names));
            return at(Error::unsupported(what), pos);
        }
        let e = err!(UNDEFINED_FUNCTION, "function {} does not exist", self.signature(name, args, names))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.");
        at(e, pos)
    }

    /// PostgreSQL's tie-breaking among several that fit (func_select_candidate).
    fn select_candidate(&self, given: &[Oid], candidates: &[Vec<Oid>]) -> Result<Option<usize>> {
        let given: Vec<Oid> = given.iter().map(|t| self.base_oid(*t)).collect::<Result<_>>()?;
        let unknown: Vec<bool> = given.iter().map(|t| *t == oids::UNKNOWN).collect();
        let categories: Vec<char> =
            given.iter().map(|t| self.category(*t).map(|c| c.0)).collect::<Result<_>>()?;
        let mut alive: Vec<usize> = (0..candidates.len()).collect();
        let known = |i: usize| !unknown[i];

        keep_best(&mut alive, |c| {
            Ok((0..given.len()).filter(|&i| known(i) && candidates[c][i] == given[i]).count())
        })?;
        if let [one] = alive[..] {
            return Ok(Some(one));
        }
        keep_best(&mut alive, |c| {
            let mut score = 0;
            for i in (0..given.len()).filter(|&i| known(i)) {
                let to = candidates[c][i];
                let (category, preferred) = self.category(to)?;
                score += usize::from(to == given[i] || preferred && category == categories[i]);
            }
            Ok(score)
        })?;
        if let [one] = alive[..] {
            return Ok(Some(one));
        }
        if !unknown.contains(&true) {
            return Ok(None);
        }
        if let Some(one) = self.select_by_unknown_categories(&unknown, candidates, &mut alive)? {
            return Ok(Some(one));
        }
        // If all known arguments share a type, take the unknown ones to be of it too.
        let mut known_types = given.iter().enumerate().filter(|(i, _)| known(*i)).map(|(_, t)| *t);
        let Some(shared) = known_types.next() else { return Ok(None) };
        if !known_types.all(|t| t == shared) {
            return Ok(None);
        }
        let mut fitting = vec![];
        for &c in &alive {
            let mut fits = true;
            for to in candidates[c].iter().take(given.len()) {
                fits = fits && self.can_coerce(shared, *to, CastContext::Implicit)?;
            }
            let declared = &candidates[c][..given.len().min(candidates[c].len())];
            if fits && self.polymorphic_agree(declared, &vec![shared; declared.len()]) {
                fitting.push(c);
            }
        }
        Ok(match fitting[..] {
            [one] => Some(one),
            _ => None,
        })
    }

    /// Guesses a category for each unknown argument and drops candidates that don't fit the guesses.
    fn select_by_unknown_categories(
        &self,
        unknown: &[bool],
        candidates: &[Vec<Oid>],
        alive: &mut Vec<usize>,
    ) -> Result<Option<usize>> {
        let mut wanted: Vec<Option<(char, bool)>> = vec![None; unknown.len()];
        let mut resolved = true;
        for i in (0..unknown.len()).filter(|&i| unknown[i]) {
            let mut slot: Option<(char, bool)> = None;
            let mut conflict = false;
            for &c in alive.iter() {
                let (category, preferred) = self.category(candidates[c][i])?;
                match slot {
                    None => slot = Some((category, preferred)),
                    Some((have, _)) if have == category => {
                        slot = Some((have, slot.is_some_and(|s| s.1) || preferred))
                    }
                    // Strings win over everything else.
                    Some(_) if category == 'S' => slot = Some(('S', preferred)),
                    Some(('S', _)) => {}
                    Some(_) => conflict = true,
                }
            }
            if conflict && slot.is_none_or(|s| s.0 != 'S') {
                resolved = false;
                break;
            }
            wanted[i] = slot;
        }
        if !resolved {
            return Ok(None);
        }
        let mut kept = vec![];
        for &c in alive.iter() {
            let mut fits = true;
            for (i, slot) in wanted.iter().enumerate() {
                if let Some((category, needs_preferred)) = slot {
                    let (have, preferred) = self.category(candidates[c][i])?;
                    fits = fits && have == *category && (!needs_preferred || preferred);
                }
            }
            if fits {
                kept.push(c);
            }
        }
        if !kept.is_empty() {
            *alive = kept;
        }
        Ok(match alive[..] {
            [one] => Some(one),
            _ => None,
        })
    }

    /// Finds an operator; prefix if `left` is none. 42883 or 42725 otherwise.
    pub(super) fn resolve_operator(
        &mut self,
        op: &ast::OpName,
        left: Option<Oid>,
        right: Oid,
        pos: Pos,
    ) -> Result<&'static OperatorDef> {
        let schema = op.schema.last().map(String::as_str);
        let all = self.reader.operators(schema, &op.name).map_err(|e| at(e, pos))?;
        let prefix = left.is_none();
        let candidates = || all.iter().copied().filter(|o| o.left.is_valid() != prefix);
        // Both operands; of a prefix operator the first has no type.
        let pair = [left.unwrap_or(Oid::INVALID), right];
        let operands = |pair: [Oid; 2]| if prefix { vec![pair[1]] } else { pair.to_vec() };
        // One unknown side is taken to be of the other's type first.
        let mut exact = pair;
        match (!prefix && pair[0] == oids::UNKNOWN, right == oids::UNKNOWN) {
            (true, false) => exact[0] = right,
            (false, true) => exact[1] = pair[0],
            _ => {}
        }
        if !(prefix && right == oids::UNKNOWN) {
            let of_types = |types: [Oid; 2]| candidates().find(|o| [o.left, o.right] == types);
            if let Some(found) = of_types(exact) {
                return Ok(found);
            }
            let mut based = exact;
            for ty in based.iter_mut().skip(usize::from(prefix)) {
                *ty = self.base_oid(*ty)?;
            }
            if based != exact
                && let Some(found) = of_types(based)
            {
                return Ok(found);
            }
        }
        let mut matching = vec![];
        for o in candidates() {
            let mut fits = true;
            for (from, to) in pair.into_iter().zip([o.left, o.right]).skip(usize::from(prefix)) {
                fits = fits && self.can_coerce(from, to, CastContext::Implicit)?;
            }
            if fits && self.polymorphic_agree(&operands([o.left, o.right]), &operands(pair)) {
                matching.push(o);
            }
        }
        if matching.is_empty() {
            return Err(self.no_operator(op, left, right, pos));
        }
        if let [one] = matching[..] {
            return Ok(one);
        }
        let types: Vec<Vec<Oid>> = matching.iter().map(|o| operands([o.left, o.right])).collect();
        if let Some(i) = self.select_candidate(&operands(pair), &types)? {
            return Ok(matching[i]);
        }
        let e = err!(AMBIGUOUS_FUNCTION, "operator is not unique: {}", self.op_signature(op, left, right))
            .hint("Could not choose a best candidate operator. You might need to add explicit type casts.");
        Err(at(e, pos))
    }

    fn op_signature(&self, op: &ast::OpName, left: Option<Oid>, right: Oid) -> String {
        match left {
            Some(left) => format!("{} {} {}", self.type_name(left), op.display(), self.type_name(right)),
            None => format!("{} {}", op.display(), self.type_name(right)),
        }
    }

    /// Whether these arguments could be given for these parameters, none of which is polymorphic.
    fn takes(&self, parameters: &[Oid], given: &[Oid]) -> bool {
        given.len() <= parameters.len()
            && given.iter().zip(parameters).all(|(g, p)| {
                !is_polymorphic(*p) && self.can_coerce(*g, *p, CastContext::Implicit).unwrap_or(false)
            })
    }

    fn no_operator(&self, op: &ast::OpName, left: Option<Oid>, right: Oid, pos: Pos) -> Error {
        let operands: Vec<Oid> = left.into_iter().chain([right]).collect();
        let listed = operators::operators_named(&op.name).into_iter().any(|o| {
            let takes = if o.left.is_valid() { vec![o.left, o.right] } else { vec![o.right] };
            takes.len() == operands.len()
                && registry::operator(o.oid).is_none()
                && self.takes(&takes, &operands)
        });
        if listed {
            let what = format!("operator {}", self.op_signature(op, left, right));
            return at(Error::unsupported(what), pos);
        }
        let hint = if left.is_some() {
            "No operator matches the given name and argument types. You might need to add explicit type casts."
        } else {
            "No operator matches the given name and argument type. You might need to add an explicit type cast."
        };
        let e = err!(UNDEFINED_FUNCTION, "operator does not exist: {}", self.op_signature(op, left, right))
            .hint(hint);
        at(e, pos)
    }

    /// Whether the arguments of polymorphic parameters fit each other (check_generic_type_consistency).
    fn polymorphic_agree(&self, declared: &[Oid], given: &[Oid]) -> bool {
        let known = |(d, g): (&Oid, &Oid)| is_polymorphic(*d) && *g != oids::UNKNOWN;
        // Which enum it is must be known, whatever else is.
        if declared.contains(&oids::ANYENUM) && !declared.iter().zip(given).any(known) {
            return false;
        }
        !declared.iter().zip(given).any(known)
            || self.settle_polymorphic(declared, given, oids::VOID, NO_POS).is_ok()
    }
    /// Settles polymorphic types from the actual ones (enforce_generic_type_consistency): concrete argument types and result.
    pub(super) fn settle_polymorphic(
        &self,
        declared: &[Oid],
        actual: &[Oid],
        ret: Oid,
        pos: Pos,
    ) -> Result<(Vec<Oid>, Oid)> {
        if !declared.iter().any(|t| is_polymorphic(*t)) {
            return Ok((declared.to_vec(), ret));
        }
        let mut element: Option<Oid> = None;
        let mut array: Option<Oid> = None;
        let mut compatible: Vec<Oid> = vec![];
        for (d, a) in declared.iter().zip(actual) {
            match *d {
                oids::ANYELEMENT | oids::ANYNONARRAY | oids::ANYENUM if *a != oids::UNKNOWN => {
                    match element {
                        Some(e) if e != *a => {
                            let e = err!(
                                DATATYPE_MISMATCH,
                                "arguments declared \"anyelement\" are not all alike"
                            )
                            .detail(format!(
                                "{} versus {}",
                                self.type_name(e),
                                self.type_name(*a)
                            ));
                            return Err(at(e, pos));
                        }
                        _ => element = Some(*a),
                    }
                }
                oids::ANYARRAY if *a != oids::UNKNOWN => {
                    let base = self.base_oid(*a)?;
                    match array {
                        Some(have) if have != base => {
                            let e =
                                err!(DATATYPE_MISMATCH, "arguments declared \"anyarray\" are not all alike")
                                    .detail(format!(
                                        "{} versus {}",
                                        self.type_name(have),
                                        self.type_name(base)
                                    ));
                            return Err(at(e, pos));
                        }
                        _ => array = Some(base),
                    }
                }
                oids::ANYCOMPATIBLE | oids::ANYCOMPATIBLENONARRAY if *a != oids::UNKNOWN => {
                    compatible.push(*a)
                }
                oids::ANYCOMPATIBLEARRAY if *a != oids::UNKNOWN => {
                    if let Some(e) = self.element_type(*a)? {
                        compatible.push(e);
                    }
                }
                _ => {}
            }
        }
        if let Some(a) = array
            && a != oids::ANYARRAY
        {
            let of_array = self.element_type(a)?.unwrap_or(a);
            match element {
                None => element = Some(of_array),
                Some(e) if self.base_oid(e)? != self.base_oid(of_array)? => {
                    let e = err!(
                        DATATYPE_MISMATCH,
                        "argument declared \"anyarray\" is not consistent with argument declared \"anyelement\""
                    )
                    .detail(format!("{} versus {}", self.type_name(a), self.type_name(e)));
                    return Err(at(e, pos));
                }
                _ => {}
            }
        }
        let needs_element = declared
            .iter()
            .any(|t| matches!(*t, oids::ANYELEMENT | oids::ANYNONARRAY | oids::ANYENUM | oids::ANYARRAY));
        if needs_element && element.is_none() && array.is_none() {
            let e = err!(
                DATATYPE_MISMATCH,
                "could not determine polymorphic type because input has type {}",
                self.type_name(oids::UNKNOWN)
            );
            return Err(at(e, pos));
        }
        let common = if compatible.is_empty() {
            oids::TEXT
        } else {
            let typed: Vec<Typed> = compatible
                .iter()
                .map(|t| Typed { expr: quarry_plan::Expr::null(SqlType::of(*t)), pos })
                .collect();
            let common = self.common_type(&typed.iter().collect::<Vec<_>>(), "ANYCOMPATIBLE")?;
            for from in compatible {
                if !self.can_coerce(from, common, CastContext::Implicit)? {
                    let e = err!(
                        CANNOT_COERCE,
                        "argument of anycompatible type cannot be coerced from type {} to type {}",
                        self.type_name(from),
                        self.type_name(common)
                    );
                    return Err(at(e, pos));
                }
            }
            common
        };
        let settle = |t: Oid| -> Result<Oid> {
            Ok(match t {
                oids::ANYELEMENT | oids::ANYNONARRAY | oids::ANYENUM => element.unwrap_or(oids::TEXT),
                oids::ANYARRAY => match (array, element) {
                    (Some(a), _) => a,
                    (None, Some(e)) => self.array_type(e)?.ok_or_else(|| {
                        at(
                            err!(
                                UNDEFINED_OBJECT,
                                "could not find array type for data type {}",
                                self.type_name(e)
                            ),
                            pos,
                        )
                    })?,
                    (None, None) => oids::TEXT_ARRAY,
                },
                oids::ANYCOMPATIBLE | oids::ANYCOMPATIBLENONARRAY => common,
                oids::ANYCOMPATIBLEARRAY => self.array_type(common)?.ok_or_else(|| {
                    at(
                        err!(
                            UNDEFINED_OBJECT,
                            "could not find array type for data type {}",
                            self.type_name(common)
                        ),
                        pos,
                    )
                })?,
                other => other,
            })
        };
        let args = declared.iter().map(|t| settle(*t)).collect::<Result<Vec<_>>>()?;
        Ok((args, settle(ret)?))
    }
}

fn keep_best(alive: &mut Vec<usize>, score: impl Fn(usize) -> Result<usize>) -> Result<()> {
    let scores: Vec<usize> = alive.iter().map(|c| score(*c)).collect::<Result<_>>()?;
    let best = scores.iter().copied().max().unwrap_or(0);
    let mut i = 0;
    alive.retain(|_| {
        i += 1;
        scores[i - 1] == best
    });
    Ok(())
}

/// Schema and name of a possibly qualified name.
pub(super) fn split_name(name: &[String], pos: Pos) -> Result<(Option<&str>, &str)> {
    match name {
        [name] => Ok((None, name)),
        [schema, name] => Ok((Some(schema), name)),
        [_, schema, name] => Ok((Some(schema), name)),
        _ => {
            let e = err!(SYNTAX_ERROR, "improper qualified name (too many dotted names): {}", name.join("."));
            Err(at(e, pos))
        }
    }
}

/// Whether a function can take this many (and these named) arguments, and how.
fn fit(
    def: &'static FunctionDef,
    names: &[Option<String>],
    given: usize,
    variadic_call: bool,
) -> Option<Candidate> {
    let declared = def.args.len();
    let is_aggregate_star = given == 0 && declared == 0 && def.kind() == FunctionKind::Aggregate;
    if is_aggregate_star {
        return Some(Candidate {
            def,
            args: vec![],
            variadic_from: None,
            defaults: 0,
            order: None,
            positional: 0,
        });
    }
    if names.iter().any(Option::is_some) {
        return fit_named(def, names, given);
    }
    if given == declared {
        // VARIADIC "any" and VARIADIC anyarray called with as many arguments as declared: the plain form if the call says
        // VARIADIC, else an expansion with one element.
        if !def.variadic.is_valid() || variadic_call {
            if variadic_call && !def.variadic.is_valid() {
                return None;
            }
            return Some(Candidate {
                def,
                args: def.args.to_vec(),
                variadic_from: None,
                defaults: 0,
                order: None,
                positional: 0,
            });
        }
    }
    if def.variadic.is_valid() && !variadic_call && given >= declared {
        let mut args = def.args[..declared - 1].to_vec();
        args.resize(given, def.variadic);
        return Some(Candidate {
            def,
            args,
            variadic_from: Some(declared - 1),
            defaults: 0,
            order: None,
            positional: 0,
        });
    }
    if given < declared && given + def.defaults.len() >= declared && !variadic_call {
        return Some(Candidate {
            def,
            args: def.args.to_vec(),
            variadic_from: None,
            defaults: declared - given,
            order: None,
            positional: 0,
        });
    }
    None
}

fn fit_named(def: &'static FunctionDef, names: &[Option<String>], given: usize) -> Option<Candidate> {
    if def.variadic.is_valid() || given > def.args.len() {
        return None;
    }
    let mut order = vec![];
    for (i, name) in names.iter().enumerate() {
        let at = match name {
            None => i,
            Some(n) => def.arg_names.iter().take(def.args.len()).position(|a| a == n)?,
        };
        if order.contains(&at) {
            return None;
        }
        order.push(at);
    }
    let missing_without_default =
        (0..def.args.len()).any(|p| !order.contains(&p) && p < def.args.len() - def.defaults.len());
    if missing_without_default {
        return None;
    }
    let defaults = def.args.len() - given;
    let positional = names.iter().take_while(|n| n.is_none()).count();
    let args = def.args.to_vec();
    Some(Candidate { def, args, variadic_from: None, defaults, order: Some(order), positional })
}
