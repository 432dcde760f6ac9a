//! PostgreSQL's hash functions, which people use to derive advisory lock numbers and to partition by hand. The values
//! are PostgreSQL's: Bob Jenkins' lookup3 with its seed.

use crate::scalar::compare::text::trimmed;
use crate::{FunctionDef, ScalarImpl, func, scalar, wide};
use quarry_types::datetime::Interval;

/// The internal state before any input.
fn start(len: usize) -> [u32; 3] {
    [0x9e37_79b9u32.wrapping_add(len as u32).wrapping_add(3_923_095); 3]
}

fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    // One step each: rotate, subtract, add, in turn for the three words.
    for (first, second) in [(4, 6), (8, 16), (19, 4)] {
        a = a.wrapping_sub(c) ^ c.rotate_left(first);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(second);
        a = a.wrapping_add(c);
        // The roles of the words move on by two.
        (a, b, c) = (c, a, b);
    }
    [a, b, c]
}

fn finish(state: [u32; 3]) -> u32 {
    finish_two(state).1
}

/// The last two words: the longer hashes have both.
fn finish_two([mut a, mut b, mut c]: [u32; 3]) -> (u32, u32) {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (b, (c ^ b).wrapping_sub(b.rotate_left(24)))
}

/// The internal state after a seed, which counts as one block of input unless it is zero.
fn seeded(len: usize, seed: i64) -> [u32; 3] {
    let [a, b, c] = start(len);
    if seed == 0 {
        return [a, b, c];
    }
    mix([a.wrapping_add((seed as u64 >> 32) as u32), b.wrapping_add(seed as u32), c])
}

fn long((b, c): (u32, u32)) -> i64 {
    (u64::from(b) << 32 | u64::from(c)) as i64
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b))
}

/// `hash_bytes`.
pub fn hash_bytes(bytes: &[u8]) -> i32 {
    finish(absorbed(start(bytes.len()), bytes)) as i32
}

/// `hash_bytes_extended`.
fn hash_bytes_extended(bytes: &[u8], seed: i64) -> i64 {
    long(finish_two(absorbed(seeded(bytes.len(), seed), bytes)))
}

/// The state after all input, before it is finished.
fn absorbed(mut state: [u32; 3], bytes: &[u8]) -> [u32; 3] {
    let mut blocks = bytes.chunks_exact(12);
    for block in &mut blocks {
        for (s, w) in state.iter_mut().zip(block.chunks_exact(4)) {
            *s = s.wrapping_add(word(w));
        }
        state = mix(state);
    }
    let rest = blocks.remainder();
    state[0] = state[0].wrapping_add(word(&rest[..rest.len().min(4)]));
    if rest.len() > 4 {
        state[1] = state[1].wrapping_add(word(&rest[4..rest.len().min(8)]));
    }
    if rest.len() > 8 {
        // The lowest byte of the last word is the length's.
        state[2] = state[2].wrapping_add(word(&rest[8..]) << 8);
    }
    state
}

/// `hash_uint32`.
pub fn hash_u32(v: u32) -> i32 {
    let [a, b, c] = start(4);
    finish([a.wrapping_add(v), b, c]) as i32
}

/// `hash_uint32_extended`.
fn hash_u32_extended(v: u32, seed: i64) -> i64 {
    let [a, b, c] = seeded(4, seed);
    long(finish_two([a.wrapping_add(v), b, c]))
}

/// Equal for equal numbers of all integer types.
fn hash_i64(v: i64) -> i32 {
    hash_u32(folded(v))
}

fn folded(v: i64) -> u32 {
    let (low, high) = (v as u32, (v >> 32) as u32);
    low ^ if v >= 0 { high } else { !high }
}

fn hash_f64_extended(v: f64, seed: i64) -> i64 {
    if v == 0.0 {
        return seed;
    }
    let v = if v.is_nan() { f64::NAN } else { v };
    hash_bytes_extended(&v.to_le_bytes(), seed)
}

/// Equal for equal numbers of both float types; -0 is 0, all NaNs are one.
fn hash_f64(v: f64) -> i32 {
    if v == 0.0 {
        return 0;
    }
    let v = if v.is_nan() { f64::NAN } else { v };
    hash_bytes(&v.to_le_bytes())
}

const BYTES: ScalarImpl = scalar!(|v: &[u8]| -> i32 { hash_bytes(v) });
const BYTES_EXTENDED: ScalarImpl = scalar!(|v: &[u8], s: i64| -> i64 { hash_bytes_extended(v, s) });
const I64_EXTENDED: ScalarImpl = scalar!(|v: i64, s: i64| -> i64 { hash_u32_extended(folded(v), s) });

fn char_code(v: &[u8]) -> u32 {
    i32::from(v.first().map_or(0, |b| *b as i8)) as u32
}

/// An interval by its length.
fn hash_interval(v: Interval) -> i32 {
    hash_i64(v.span() as i64)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(449, "hashint2", [INT2] => INT4, wide!(|v: i16| -> i32 { hash_u32(i32::from(v) as u32) })),
    func!(450, "hashint4", [INT4] => INT4, wide!(|v: i32| -> i32 { hash_u32(v as u32) })),
    func!(949, "hashint8", [INT8] => INT4, wide!(|v: i64| -> i32 { hash_i64(v) })),
    func!(453, "hashoid", [OID] => INT4, wide!(|v: u32| -> i32 { hash_u32(v) })),
    func!(451, "hashfloat4", [FLOAT4] => INT4, scalar!(|v: f32| -> i32 { hash_f64(f64::from(v)) })),
    func!(452, "hashfloat8", [FLOAT8] => INT4, scalar!(|v: f64| -> i32 { hash_f64(v) })),
    func!(400, "hashtext", [TEXT] => INT4, BYTES),
    func!(455, "hashname", [NAME] => INT4, BYTES),
    func!(1080, "hashbpchar", [BPCHAR] => INT4, scalar!(|v: &[u8]| -> i32 { hash_bytes(trimmed(v)) })),
    func!(454, "hashchar", [CHAR] => INT4, scalar!(|v: &[u8]| -> i32 { hash_u32(char_code(v)) })),
    func!(441, "hashint2extended", [INT2, INT8] => INT8, scalar!(|v: i16, s: i64| -> i64 { hash_u32_extended(i32::from(v) as u32, s) })),
    func!(425, "hashint4extended", [INT4, INT8] => INT8, scalar!(|v: i32, s: i64| -> i64 { hash_u32_extended(v as u32, s) })),
    func!(442, "hashint8extended", [INT8, INT8] => INT8, I64_EXTENDED),
    func!(445, "hashoidextended", [OID, INT8] => INT8, scalar!(|v: u32, s: i64| -> i64 { hash_u32_extended(v, s) })),
    func!(443, "hashfloat4extended", [FLOAT4, INT8] => INT8, scalar!(|v: f32, s: i64| -> i64 { hash_f64_extended(f64::from(v), s) })),
    func!(444, "hashfloat8extended", [FLOAT8, INT8] => INT8, scalar!(|v: f64, s: i64| -> i64 { hash_f64_extended(v, s) })),
    func!(448, "hashtextextended", [TEXT, INT8] => INT8, BYTES_EXTENDED),
    func!(447, "hashnameextended", [NAME, INT8] => INT8, BYTES_EXTENDED),
    func!(972, "hashbpcharextended", [BPCHAR, INT8] => INT8, scalar!(|v: &[u8], s: i64| -> i64 { hash_bytes_extended(trimmed(v), s) })),
    func!(446, "hashcharextended", [CHAR, INT8] => INT8, scalar!(|v: &[u8], s: i64| -> i64 { hash_u32_extended(char_code(v), s) })),
    func!(3412, "uuid_hash_extended", [UUID, INT8] => INT8, scalar!(|v: [u8; 16], s: i64| -> i64 { hash_bytes_extended(&v, s) })),
    func!(2039, "timestamp_hash", [TIMESTAMP] => INT4, scalar!(|v: i64| -> i32 { hash_i64(v) })),
    func!(3411, "timestamp_hash_extended", [TIMESTAMP, INT8] => INT8, I64_EXTENDED),
    func!(1688, "time_hash", [TIME] => INT4, scalar!(|v: i64| -> i32 { hash_i64(v) })),
    func!(3409, "time_hash_extended", [TIME, INT8] => INT8, I64_EXTENDED),
    func!(1697, "interval_hash", [INTERVAL] => INT4, scalar!(|v: Interval| -> i32 { hash_interval(v) })),
    func!(3418, "interval_hash_extended", [INTERVAL, INT8] => INT8, scalar!(|v: Interval, s: i64| -> i64 { hash_u32_extended(folded(v.span() as i64), s) })),
    func!(2963, "uuid_hash", [UUID] => INT4, scalar!(|v: [u8; 16]| -> i32 { hash_bytes(&v) })),
];
