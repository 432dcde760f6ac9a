//! Whether a kernel has a value for all arguments, which the type of its result tells.

use super::{Arg, Res};
use crate::EvalContext;

/// Of a kernel without arguments.
pub const fn total0<R: Res>(_: &impl Fn(&mut EvalContext<'_>) -> R) -> bool {
    !R::FALLIBLE
}

macro_rules! total {
    ($name:ident: $($A:ident)+) => {
        /// Of a kernel with so many arguments.
        pub const fn $name<'a, $($A: Arg<'a>,)+ R: Res>(_: &impl Fn(&mut EvalContext<'_>, $($A),+) -> R) -> bool {
            !R::FALLIBLE
        }
    };
}
total!(total1: A);
total!(total2: A B);
total!(total3: A B C);
total!(total4: A B C D);
total!(total5: A B C D E);
total!(total6: A B C D E F);
total!(total7: A B C D E F G);

/// Of a kernel of one argument without context.
pub const fn wide_total1<'a, A: Arg<'a>, R: Res>(_: &impl Fn(A) -> R) -> bool {
    !R::FALLIBLE
}

/// Of a kernel of two arguments without context.
pub const fn wide_total2<'a, A: Arg<'a>, B: Arg<'a>, R: Res>(_: &impl Fn(A, B) -> R) -> bool {
    !R::FALLIBLE
}
