//! numeric against results recorded from PostgreSQL 15 (`testdata/postgresql.tsv`: operation, arguments, result).

use super::*;
use std::cmp::Ordering;

const RECORDED: &str = include_str!("testdata/postgresql.tsv");

fn run(op: &str, args: &[&str]) -> Result<String> {
    let parse = |i: usize| Numeric::parse(args[i]);
    let int = |i: usize| args[i].parse::<i32>().unwrap();
    let unary = |f: fn(NumericRef<'_>) -> Result<Numeric>| Ok::<_, Error>(f(parse(0)?.view())?.to_string());
    let binary =
        |f: fn(&Numeric, &Numeric) -> Result<Numeric>| Ok::<_, Error>(f(&parse(0)?, &parse(1)?)?.to_string());
    let optional = |v: Option<i32>| v.map_or("NULL".to_string(), |v| v.to_string());
    let float = |v: f64, single: bool| {
        let mut out = Vec::new();
        if single {
            crate::floats::write_f32(v as f32, 1, &mut out);
        } else {
            crate::floats::write_f64(v, 1, &mut out);
        }
        String::from_utf8(out).unwrap()
    };
    match op {
        "add" => binary(Numeric::add),
        "sub" => binary(Numeric::sub),
        "mul" => binary(Numeric::mul),
        "div" => binary(Numeric::div),
        "rem" => binary(Numeric::rem),
        "div_trunc" => binary(Numeric::div_trunc),
        "gcd" => binary(|a, b| a.view().gcd(b.view())),
        "lcm" => binary(|a, b| a.view().lcm(b.view())),
        "power" => binary(|a, b| a.view().power(b.view())),
        "log" => binary(|num, base| num.view().log(base.view())),
        "sqrt" => unary(|v| v.sqrt()),
        "exp" => unary(|v| v.exp()),
        "ln" => unary(|v| v.ln()),
        "log10" => unary(|v| v.log10()),
        "ceil" => unary(|v| v.ceil()),
        "floor" => unary(|v| v.floor()),
        "trim_scale" => unary(|v| v.trim_scale()),
        "neg" => unary(|v| Ok(v.neg())),
        "abs" => unary(|v| Ok(v.abs())),
        "sign" => unary(|v| Ok(v.sign())),
        "input" => unary(|v| Ok(v.to_numeric())),
        "round" => Ok(parse(0)?.view().round(int(1))?.to_string()),
        "trunc" => Ok(parse(0)?.view().trunc(int(1))?.to_string()),
        "min_scale" => Ok(optional(parse(0)?.view().min_scale())),
        "scale" => Ok(optional(parse(0)?.view().scale())),
        "int2" => Ok(parse(0)?.to_i16()?.to_string()),
        "int4" => Ok(parse(0)?.to_i32()?.to_string()),
        "int8" => Ok(parse(0)?.to_i64()?.to_string()),
        "float8" => Ok(float(parse(0)?.to_f64()?, false)),
        "float4" => Ok(float(parse(0)?.view().to_f32()?.into(), true)),
        "typmod" => Ok(parse(0)?.apply_typmod(make_typmod(int(1), int(2)))?.to_string()),
        "from_f64" => Ok(Numeric::from_f64(crate::floats::parse_f64(args[0])?)?.to_string()),
        "from_f32" => Ok(Numeric::from_f32(crate::floats::parse_f32(args[0])?)?.to_string()),
        "factorial" => Ok(Numeric::factorial(args[0].parse().unwrap())?.to_string()),
        "width_bucket" => {
            Ok(parse(0)?.view().width_bucket(parse(1)?.view(), parse(2)?.view(), int(3))?.to_string())
        }
        other => panic!("unknown operation {other}"),
    }
}

#[test]
fn results_are_postgresqls() {
    let mut wrong = Vec::new();
    for line in RECORDED.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (expected, call) = fields.split_last().unwrap();
        let got = match run(call[0], &call[1..]) {
            Ok(v) if v.len() > 300 => format!("LONG {} {} {}", v.len(), &v[..60], &v[v.len() - 60..]),
            Ok(v) => v,
            Err(e) => format!("ERROR {} {}", e.sqlstate(), e.message()),
        };
        if got != *expected {
            wrong.push(format!("{call:?}\n  expected {expected}\n  got      {got}"));
        }
    }
    let shown: Vec<&str> = wrong.iter().take(40).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} results differ:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn order_hash_and_keys_agree() {
    let texts = [
        "-Infinity",
        "-1e20",
        "-10001",
        "-10000.0001",
        "-10000",
        "-9999.9999",
        "-1.5",
        "-1",
        "-0.1",
        "-0.0001",
        "0",
        "0.000000001",
        "0.0001",
        "0.1",
        "0.10001",
        "1",
        "1.00001",
        "9999",
        "10000",
        "10000.0001",
        "10001",
        "1e20",
        "Infinity",
        "NaN",
    ];
    let values: Vec<Numeric> = texts.iter().map(|t| Numeric::parse(t).unwrap()).collect();
    let key = |v: &Numeric| {
        let mut out = Vec::new();
        v.view().write_key(&mut out);
        out
    };
    for (i, a) in values.iter().enumerate() {
        for (j, b) in values.iter().enumerate() {
            assert_eq!(a.cmp(b), i.cmp(&j), "{a} {b}");
            assert_eq!(key(a).cmp(&key(b)), i.cmp(&j), "keys of {a} {b}");
        }
        let key = key(a);
        let mut rest = key.as_slice();
        (KEY.skip)(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
    let (a, b) = (Numeric::parse("1.0").unwrap(), Numeric::parse("1.000").unwrap());
    assert_eq!(a.cmp(&b), Ordering::Equal);
    assert_eq!(a.view().hash(), b.view().hash());
    assert_eq!(key(&a), key(&b));
}

#[test]
fn sums_and_variances() {
    let mut acc = NumericAccumulator::with_squares();
    for t in ["1.5", "2.25", "1e25", "-1e25", "1234567890123456789012345678901234567890.1", "3"] {
        acc.add(Numeric::parse(t).unwrap().view());
    }
    assert_eq!(acc.sum().unwrap().unwrap().to_string(), "1234567890123456789012345678901234567896.85");
    assert!(acc.remove(Numeric::parse("1234567890123456789012345678901234567890.1").unwrap().view()));
    assert!(acc.remove(Numeric::parse("1e25").unwrap().view()));
    assert!(acc.remove(Numeric::parse("-1e25").unwrap().view()));
    // The only value of the largest scale can't be taken back.
    assert!(!acc.remove(Numeric::parse("2.25").unwrap().view()));
    assert_eq!(acc.sum().unwrap().unwrap().to_string(), "6.75");
    assert_eq!(acc.avg().unwrap().unwrap().to_string(), "2.2500000000000000");
    // select var_samp(x), stddev_pop(x) from (values (1.5), (2.25), (3)) t(x)
    assert_eq!(acc.variance(true).unwrap().unwrap().to_string(), "0.56250000000000000000");
    assert_eq!(acc.stddev(false).unwrap().unwrap().to_string(), "0.61237243569579452455");
    let mut other = NumericAccumulator::with_squares();
    other.add_i64(i64::MAX);
    other.add(Numeric::parse("0.00001").unwrap().view());
    acc.merge(&other);
    assert_eq!(acc.count(), 5);
    assert_eq!(acc.sum().unwrap().unwrap().to_string(), "9223372036854775813.75001");
    acc.add(Numeric::infinity().view());
    assert_eq!(acc.sum().unwrap().unwrap().to_string(), "Infinity");
    acc.add(Numeric::neg_infinity().view());
    assert!(acc.avg().unwrap().unwrap().is_nan());
    assert!(NumericAccumulator::new().avg().unwrap().is_none());
}

#[test]
fn wire_form_round_trips() {
    let t = crate::type_info(crate::oids::NUMERIC).unwrap();
    let cx = crate::IoContext::default();
    for text in ["0", "0.00", "-1234567.890", "1e30", "NaN", "Infinity", "-Infinity", "0.00000012"] {
        let v = t.input(text, -1, &cx).unwrap();
        let mut wire = Vec::new();
        t.send(&v, &cx, &mut wire).unwrap();
        assert_eq!(t.receive(&wire, -1, &cx).unwrap(), v, "{text}");
    }
    // 12.3456 with display scale 1 loses what can't be seen.
    let v = t.receive(&[0, 2, 0, 0, 0, 0, 0, 1, 0, 12, 0x0d, 0x80], -1, &cx).unwrap();
    assert_eq!(t.output_string(&v, &cx).unwrap(), "12.3");
    for bad in [&[0u8, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10][..], &[0, 1][..], &[0, 0, 0, 0, 0x12, 0, 0, 0][..]] {
        assert!(t.receive(bad, -1, &cx).is_err());
    }
}

#[test]
fn what_can_be_short_is_short() {
    for (text, bytes) in [
        ("17.00", 4),
        ("-17.00", 4),
        ("33078.94", 8),
        ("0", 2),
        ("0.00", 2),
        ("1e255", 4),
        ("1e256", 6),
        ("1e-256", 6),
        ("NaN", 4),
    ] {
        let n = Numeric::parse(text).expect("a number");
        assert_eq!(n.as_bytes().len(), bytes, "{text}");
        assert_eq!(Numeric::from_bytes(n.as_bytes()).expect("well-formed"), n, "{text}");
    }
    // Scales at the end of what is short, with both signs.
    for scale in [0, 5, 63, 64] {
        for text in ["4", "-4", "12345678.5", "-12345678.5"] {
            let n = Numeric::parse(text).expect("a number").view().round(scale).expect("rounds");
            let (digits, weight) = (n.view().digits().collect::<Vec<_>>(), n.view().weight());
            let negated = n.view().neg();
            assert_eq!(negated.view().neg().to_string(), n.to_string());
            assert_eq!((n.view().dscale(), negated.view().weight()), (scale, weight));
            assert_eq!(negated.view().digits().collect::<Vec<_>>(), digits);
            assert_eq!(negated.as_bytes().len(), n.as_bytes().len());
            assert_eq!(n.as_bytes().len() - 2 * digits.len(), if scale > 63 { 4 } else { 2 });
        }
    }
    assert!(Numeric::from_bytes(&[0, 0]).is_err() && Numeric::from_bytes(&[0, 0x80, 1]).is_err());
}
