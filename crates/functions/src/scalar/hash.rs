//! PostgreSQL's hash functions, which people use to derive advisory lock numbers and to partition by hand. The values
//! are PostgreSQL's: Bob Jenkins' lookup3 with its seed.

use crate::scalar::compare::text::trimmed;
use crate::{FunctionDef, ScalarImpl, func, scalar, wide};

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

fn finish([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b))
}

/// `hash_bytes`.
pub fn hash_bytes(bytes: &[u8]) -> i32 {
    let mut state = start(bytes.len());
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
    finish(state) as i32
}

/// `hash_uint32`.
pub fn hash_u32(v: u32) -> i32 {
    let [a, b, c] = start(4);
    finish([a.wrapping_add(v), b, c]) as i32
}

/// Equal for equal numbers of all integer types.
fn hash_i64(v: i64) -> i32 {
    let (low, high) = (v as u32, (v >> 32) as u32);
    hash_u32(low ^ if v >= 0 { high } else { !high })
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
    func!(454, "hashchar", [CHAR] => INT4, scalar!(|v: &[u8]| -> i32 { hash_u32(i32::from(v.first().map_or(0, |b| *b as i8)) as u32) })),
    func!(2963, "uuid_hash", [UUID] => INT4, scalar!(|v: [u8; 16]| -> i32 { hash_bytes(&v) })),
];
