//! The default parser's state machine, as a table: for each state, tests in order and what the first that holds does.
//!
//! The states and their order of tests are PostgreSQL's (`wparser_def.c`), since the tokens are.

use super::token;

/// What the machine is in the midst of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Base,
    NumWord,
    AsciiWord,
    Word,
    UnsignedInt,
    SignedIntFirst,
    SignedInt,
    Space,
    UDecimalFirst,
    UDecimal,
    DecimalFirst,
    Decimal,
    DecimalThenVersion,
    VersionAfterSign,
    VersionFirst,
    Version,
    MantissaFirst,
    MantissaSign,
    Mantissa,
    EntityFirst,
    Entity,
    EntityNumberFirst,
    EntityNumber,
    EntityHexFirst,
    EntityHex,
    EntityEnd,
    TagFirst,
    XmlBegin,
    TagCloseFirst,
    TagName,
    TagBeginEnd,
    Tag,
    TagQuote,
    TagDoubleQuote,
    TagBackslash,
    TagEnd,
    CommentFirst,
    CommentLast,
    Comment,
    CloseCommentFirst,
    CloseCommentLast,
    CommentEnd,
    HostFirstDomain,
    HostDomainSecond,
    HostDomain,
    PortFirst,
    Port,
    HostFirstAlnum,
    Host,
    Email,
    FileFirst,
    FileTilde,
    PathFirst,
    PathFirstFirst,
    PathSecond,
    File,
    FileNext,
    UrlPathFirst,
    UrlPathStart,
    UrlPath,
    HostThenPath,
    ProtocolFirst,
    ProtocolSecond,
    ProtocolEnd,
    HyphenAsciiWordFirst,
    HyphenAsciiWord,
    HyphenWordFirst,
    HyphenWord,
    HyphenNumWordFirst,
    HyphenNumWord,
    HyphenDigits,
    SplitHyphen,
    SplitHyphenHyphen,
    HyphenWordPart,
    HyphenAsciiWordPart,
    HyphenNumWordPart,
    HyphenUnsignedInt,
}

/// A question about the character at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Test {
    Always,
    Eof,
    Is(u8),
    AsciiLetter,
    Letter,
    Digit,
    Alnum,
    NotAlnum,
    Blank,
    HexDigit,
    /// No letter, but inside a word it doesn't end it.
    Joiner,
    UrlChar,
    /// Inside `<script>` or `<style>`.
    Ignoring,
    /// A host ends here, because a path was already seen to follow. Asked once.
    HostWanted,
    /// A host begins here; it is taken.
    HostFollows,
    /// A URL's path begins here; it is taken.
    UrlPathFollows,
}

/// What becomes of the stack of alternatives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stack {
    Keep,
    /// Remember where we are, to come back if it doesn't work out.
    Push,
    /// It didn't work out: go on with the next test where it was pushed.
    Pop,
    /// It did: forget the last alternative.
    Clear,
    ClearAll,
    /// Go on in the state below, but from here.
    Merge,
}

/// Something besides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extra {
    Nothing,
    /// A tag's name is complete: `<script` and `<style` begin to be ignored, `</script` and `</style` end that.
    TagName,
    /// Back to the token's beginning, to read its host.
    BackForHost,
    /// Back to the token's beginning, to read its parts.
    BackForParts,
    /// Back to the token's beginning, which is none.
    BackForVersion,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub test: Test,
    pub stack: Stack,
    pub to: Option<State>,
    /// A token is found.
    pub token: Option<u8>,
    /// Look at the same character again.
    pub again: bool,
    pub extra: Extra,
}

const fn rule(test: Test, stack: Stack, to: Option<State>) -> Rule {
    Rule { test, stack, to, token: None, again: false, extra: Extra::Nothing }
}
/// Take the character, change to a state.
const fn go(test: Test, to: State) -> Rule {
    rule(test, Stack::Keep, Some(to))
}
/// Take the character, stay.
const fn stay(test: Test) -> Rule {
    rule(test, Stack::Keep, None)
}
const fn push(test: Test, to: State) -> Rule {
    rule(test, Stack::Push, Some(to))
}
const fn pop(test: Test) -> Rule {
    rule(test, Stack::Pop, None)
}
const fn clear(test: Test, to: State) -> Rule {
    rule(test, Stack::Clear, Some(to))
}
/// A token ends before the character.
const fn found(test: Test, token: u8, to: State) -> Rule {
    Rule { token: Some(token), ..go(test, to) }
}
/// The same, and no alternative is left.
const fn settled(test: Test, token: u8, to: State) -> Rule {
    Rule { stack: Stack::ClearAll, ..found(test, token, to) }
}
/// The same, and the last alternative is forgotten.
const fn proven(test: Test, token: u8, to: State) -> Rule {
    Rule { stack: Stack::Clear, ..found(test, token, to) }
}
const fn again(test: Test, to: State) -> Rule {
    Rule { again: true, ..go(test, to) }
}
const fn with(extra: Extra, r: Rule) -> Rule {
    Rule { extra, ..r }
}

/// The tests of a state, in order. The last always holds.
#[rustfmt::skip]
pub(super) const fn rules(state: State) -> &'static [Rule] {
    use State as S;
    use Test::*;
    use token::*;
    match state {
        S::Base => const { &[
            stay(Eof), push(Is(b'<'), S::TagFirst), go(Ignoring, S::Space), go(AsciiLetter, S::AsciiWord), go(Letter, S::Word),
            go(Digit, S::UnsignedInt), push(Is(b'-'), S::SignedIntFirst), push(Is(b'+'), S::SignedIntFirst),
            push(Is(b'&'), S::EntityFirst), push(Is(b'~'), S::FileTilde), push(Is(b'/'), S::FileFirst),
            push(Is(b'.'), S::PathFirstFirst), go(Always, S::Space),
        ] },
        S::NumWord => const { &[
            found(Eof, NUMWORD, S::Base), go(Alnum, S::NumWord), go(Joiner, S::NumWord), push(Is(b'@'), S::Email),
            push(Is(b'/'), S::FileFirst), push(Is(b'.'), S::FileNext), push(Is(b'-'), S::HyphenNumWordFirst),
            found(Always, NUMWORD, S::Base),
        ] },
        S::AsciiWord => const { &[
            found(Eof, ASCIIWORD, S::Base), stay(AsciiLetter), push(Is(b'.'), S::HostFirstDomain), push(Is(b'.'), S::FileNext),
            push(Is(b'-'), S::HostFirstAlnum), push(Is(b'-'), S::HyphenAsciiWordFirst), push(Is(b'_'), S::HostFirstAlnum),
            push(Is(b'@'), S::Email), push(Is(b':'), S::ProtocolFirst), push(Is(b'/'), S::FileFirst), push(Digit, S::Host),
            go(Digit, S::NumWord), go(Letter, S::Word), go(Joiner, S::Word), found(Always, ASCIIWORD, S::Base),
        ] },
        S::Word => const { &[
            found(Eof, WORD, S::Base), stay(Letter), stay(Joiner), go(Digit, S::NumWord), push(Is(b'-'), S::HyphenWordFirst),
            found(Always, WORD, S::Base),
        ] },
        S::UnsignedInt => const { &[
            found(Eof, UINT, S::Base), stay(Digit), push(Is(b'.'), S::HostFirstDomain), push(Is(b'.'), S::UDecimalFirst),
            push(Is(b'e'), S::MantissaFirst), push(Is(b'E'), S::MantissaFirst), push(Is(b'-'), S::HostFirstAlnum),
            push(Is(b'_'), S::HostFirstAlnum), push(Is(b'@'), S::Email), push(AsciiLetter, S::Host), go(Letter, S::NumWord),
            go(Joiner, S::NumWord), push(Is(b'/'), S::FileFirst), found(Always, UINT, S::Base),
        ] },
        S::SignedIntFirst => const { &[pop(Eof), clear(Digit, S::SignedInt), pop(Always)] },
        S::SignedInt => const { &[
            found(Eof, INT, S::Base), stay(Digit), push(Is(b'.'), S::DecimalFirst), push(Is(b'e'), S::MantissaFirst),
            push(Is(b'E'), S::MantissaFirst), found(Always, INT, S::Base),
        ] },
        S::Space => const { &[
            found(Eof, BLANK, S::Base), found(Is(b'<'), BLANK, S::Base), stay(Ignoring), found(Is(b'-'), BLANK, S::Base),
            found(Is(b'+'), BLANK, S::Base), found(Is(b'&'), BLANK, S::Base), found(Is(b'/'), BLANK, S::Base),
            go(NotAlnum, S::Space), found(Always, BLANK, S::Base),
        ] },
        S::UDecimalFirst => const { &[pop(Eof), clear(Digit, S::UDecimal), pop(Always)] },
        S::UDecimal => const { &[
            found(Eof, FLOAT, S::Base), go(Digit, S::UDecimal), push(Is(b'.'), S::VersionFirst),
            push(Is(b'e'), S::MantissaFirst), push(Is(b'E'), S::MantissaFirst), found(Always, FLOAT, S::Base),
        ] },
        S::DecimalFirst => const { &[pop(Eof), clear(Digit, S::Decimal), pop(Always)] },
        S::Decimal => const { &[
            found(Eof, FLOAT, S::Base), go(Digit, S::Decimal), push(Is(b'.'), S::DecimalThenVersion),
            push(Is(b'e'), S::MantissaFirst), push(Is(b'E'), S::MantissaFirst), found(Always, FLOAT, S::Base),
        ] },
        // What looks like a signed number is a version with a sign before it.
        S::DecimalThenVersion => const { &[
            pop(Eof), with(Extra::BackForVersion, again(Digit, S::VersionAfterSign)), pop(Always),
        ] },
        S::VersionAfterSign => const { &[pop(Eof), settled(Digit, BLANK, S::UnsignedInt), stay(Always)] },
        S::VersionFirst => const { &[pop(Eof), clear(Digit, S::Version), pop(Always)] },
        S::Version => const { &[
            found(Eof, VERSION, S::Base), go(Digit, S::Version), push(Is(b'.'), S::VersionFirst),
            found(Always, VERSION, S::Base),
        ] },
        S::MantissaFirst => const { &[
            pop(Eof), clear(Digit, S::Mantissa), go(Is(b'+'), S::MantissaSign), go(Is(b'-'), S::MantissaSign), pop(Always),
        ] },
        S::MantissaSign => const { &[pop(Eof), clear(Digit, S::Mantissa), pop(Always)] },
        S::Mantissa => const { &[found(Eof, SFLOAT, S::Base), go(Digit, S::Mantissa), found(Always, SFLOAT, S::Base)] },
        S::EntityFirst => const { &[
            pop(Eof), go(Is(b'#'), S::EntityNumberFirst), go(AsciiLetter, S::Entity), go(Is(b':'), S::Entity),
            go(Is(b'_'), S::Entity), pop(Always),
        ] },
        S::Entity => const { &[
            pop(Eof), go(Alnum, S::Entity), go(Is(b':'), S::Entity), go(Is(b'_'), S::Entity), go(Is(b'.'), S::Entity),
            go(Is(b'-'), S::Entity), go(Is(b';'), S::EntityEnd), pop(Always),
        ] },
        S::EntityNumberFirst => const { &[
            pop(Eof), go(Is(b'x'), S::EntityHexFirst), go(Is(b'X'), S::EntityHexFirst), go(Digit, S::EntityNumber),
            pop(Always),
        ] },
        S::EntityHexFirst => const { &[pop(Eof), go(HexDigit, S::EntityHex), pop(Always)] },
        S::EntityNumber => const { &[pop(Eof), go(Digit, S::EntityNumber), go(Is(b';'), S::EntityEnd), pop(Always)] },
        S::EntityHex => const { &[pop(Eof), go(HexDigit, S::EntityHex), go(Is(b';'), S::EntityEnd), pop(Always)] },
        S::EntityEnd => const { &[proven(Always, ENTITY, S::Base)] },
        S::TagFirst => const { &[
            pop(Eof), push(Is(b'/'), S::TagCloseFirst), push(Is(b'!'), S::CommentFirst), push(Is(b'?'), S::XmlBegin),
            push(AsciiLetter, S::TagName), push(Is(b':'), S::TagName), push(Is(b'_'), S::TagName), pop(Always),
        ] },
        S::XmlBegin => const { &[pop(Eof), go(Is(b'x'), S::Tag), pop(Always)] },
        S::TagCloseFirst => const { &[pop(Eof), go(AsciiLetter, S::TagName), pop(Always)] },
        S::TagName => const { &[
            pop(Eof), go(Is(b'/'), S::TagBeginEnd), with(Extra::TagName, go(Is(b'>'), S::TagEnd)),
            with(Extra::TagName, go(Blank, S::Tag)), stay(Alnum), stay(Is(b':')), stay(Is(b'_')), stay(Is(b'.')),
            stay(Is(b'-')), pop(Always),
        ] },
        S::TagBeginEnd => const { &[pop(Eof), go(Is(b'>'), S::TagEnd), pop(Always)] },
        S::Tag => const { &[
            pop(Eof), with(Extra::TagName, go(Is(b'>'), S::TagEnd)), go(Is(b'\''), S::TagQuote),
            go(Is(b'"'), S::TagDoubleQuote), stay(AsciiLetter), stay(Digit), stay(Is(b'=')), stay(Is(b'-')), stay(Is(b'_')),
            stay(Is(b'#')), stay(Is(b'/')), stay(Is(b':')), stay(Is(b'.')), stay(Is(b'&')), stay(Is(b'?')), stay(Is(b'%')),
            stay(Is(b'~')), with(Extra::TagName, stay(Blank)), pop(Always),
        ] },
        S::TagQuote => const { &[pop(Eof), push(Is(b'\\'), S::TagBackslash), go(Is(b'\''), S::Tag), go(Always, S::TagQuote)] },
        S::TagDoubleQuote => const { &[
            pop(Eof), push(Is(b'\\'), S::TagBackslash), go(Is(b'"'), S::Tag), go(Always, S::TagDoubleQuote),
        ] },
        S::TagBackslash => const { &[pop(Eof), rule(Always, Stack::Merge, None)] },
        S::TagEnd | S::CommentEnd => const { &[settled(Always, TAG, S::Base)] },
        S::CommentFirst => const { &[
            pop(Eof), go(Is(b'-'), S::CommentLast), go(Is(b'D'), S::Tag), go(Is(b'd'), S::Tag), pop(Always),
        ] },
        S::CommentLast => const { &[pop(Eof), go(Is(b'-'), S::Comment), pop(Always)] },
        S::Comment => const { &[pop(Eof), go(Is(b'-'), S::CloseCommentFirst), stay(Always)] },
        S::CloseCommentFirst => const { &[pop(Eof), go(Is(b'-'), S::CloseCommentLast), go(Always, S::Comment)] },
        S::CloseCommentLast => const { &[pop(Eof), stay(Is(b'-')), go(Is(b'>'), S::CommentEnd), go(Always, S::Comment)] },
        S::HostFirstDomain => const { &[pop(Eof), go(AsciiLetter, S::HostDomainSecond), go(Digit, S::Host), pop(Always)] },
        S::HostDomainSecond => const { &[
            pop(Eof), go(AsciiLetter, S::HostDomain), push(Digit, S::Host), push(Is(b'-'), S::HostFirstAlnum),
            push(Is(b'_'), S::HostFirstAlnum), push(Is(b'.'), S::HostFirstDomain), push(Is(b'@'), S::Email), pop(Always),
        ] },
        S::HostDomain => const { &[
            settled(Eof, HOST, S::Base), go(AsciiLetter, S::HostDomain), push(Digit, S::Host), push(Is(b':'), S::PortFirst),
            push(Is(b'-'), S::HostFirstAlnum), push(Is(b'_'), S::HostFirstAlnum), push(Is(b'.'), S::HostFirstDomain),
            push(Is(b'@'), S::Email), pop(Digit), settled(HostWanted, HOST, S::UrlPathStart),
            push(Is(b'/'), S::HostThenPath), settled(Always, HOST, S::Base),
        ] },
        S::PortFirst => const { &[pop(Eof), go(Digit, S::Port), pop(Always)] },
        S::Port => const { &[
            settled(Eof, HOST, S::Base), go(Digit, S::Port), settled(HostWanted, HOST, S::UrlPathStart),
            push(Is(b'/'), S::HostThenPath), settled(Always, HOST, S::Base),
        ] },
        S::HostFirstAlnum => const { &[pop(Eof), go(Digit, S::Host), go(AsciiLetter, S::Host), pop(Always)] },
        S::Host => const { &[
            pop(Eof), go(Digit, S::Host), go(AsciiLetter, S::Host), push(Is(b'@'), S::Email),
            push(Is(b'.'), S::HostFirstDomain), push(Is(b'-'), S::HostFirstAlnum), push(Is(b'_'), S::HostFirstAlnum),
            pop(Always),
        ] },
        S::Email => const { &[pop(HostWanted), settled(HostFollows, EMAIL, S::Base), pop(Always)] },
        S::FileFirst => const { &[
            pop(Eof), go(AsciiLetter, S::File), go(Digit, S::File), go(Is(b'.'), S::PathFirst), go(Is(b'_'), S::File),
            push(Is(b'~'), S::FileTilde), pop(Always),
        ] },
        S::FileTilde => const { &[
            pop(Eof), go(AsciiLetter, S::File), go(Digit, S::File), go(Is(b'_'), S::File), go(Is(b'/'), S::FileFirst),
            pop(Always),
        ] },
        S::PathFirst => const { &[
            pop(Eof), go(AsciiLetter, S::File), go(Digit, S::File), go(Is(b'_'), S::File), go(Is(b'.'), S::PathSecond),
            go(Is(b'/'), S::FileFirst), pop(Always),
        ] },
        S::PathFirstFirst => const { &[pop(Eof), go(Is(b'.'), S::PathSecond), go(Is(b'/'), S::FileFirst), pop(Always)] },
        S::PathSecond => const { &[
            proven(Eof, FILE, S::Base), push(Is(b'/'), S::FileFirst), proven(Is(b'/'), FILE, S::Base),
            proven(Blank, FILE, S::Base), pop(Always),
        ] },
        S::File => const { &[
            found(Eof, FILE, S::Base), go(AsciiLetter, S::File), go(Digit, S::File), push(Is(b'.'), S::FileNext),
            go(Is(b'_'), S::File), go(Is(b'-'), S::File), push(Is(b'/'), S::FileFirst), found(Always, FILE, S::Base),
        ] },
        S::FileNext => const { &[pop(Eof), clear(AsciiLetter, S::File), clear(Digit, S::File), clear(Is(b'_'), S::File), pop(Always)] },
        S::UrlPathFirst => const { &[pop(Eof), go(UrlChar, S::UrlPath), pop(Always)] },
        S::UrlPathStart => const { &[go(Always, S::UrlPath)] },
        S::UrlPath => const { &[found(Eof, URL_PATH, S::Base), go(UrlChar, S::UrlPath), found(Always, URL_PATH, S::Base)] },
        S::HostThenPath => const { &[
            pop(Eof), with(Extra::BackForHost, settled(UrlPathFollows, URL, S::Base)), pop(Always),
        ] },
        S::ProtocolFirst => const { &[pop(Eof), go(Is(b'/'), S::ProtocolSecond), pop(Always)] },
        S::ProtocolSecond => const { &[pop(Eof), go(Is(b'/'), S::ProtocolEnd), pop(Always)] },
        S::ProtocolEnd => const { &[settled(Always, PROTOCOL, S::Base)] },
        S::HyphenAsciiWordFirst => const { &[
            pop(Eof), go(AsciiLetter, S::HyphenAsciiWord), go(Letter, S::HyphenWord), go(Digit, S::HyphenDigits), pop(Always),
        ] },
        S::HyphenAsciiWord => const { &[
            with(Extra::BackForParts, settled(Eof, ASCIIHWORD, S::SplitHyphen)), go(AsciiLetter, S::HyphenAsciiWord),
            go(Letter, S::HyphenWord), go(Joiner, S::HyphenWord), go(Digit, S::HyphenNumWord),
            push(Is(b'-'), S::HyphenAsciiWordFirst),
            with(Extra::BackForParts, settled(Always, ASCIIHWORD, S::SplitHyphen)),
        ] },
        S::HyphenWordFirst => const { &[pop(Eof), go(Letter, S::HyphenWord), go(Digit, S::HyphenDigits), pop(Always)] },
        S::HyphenWord => const { &[
            with(Extra::BackForParts, settled(Eof, HWORD, S::SplitHyphen)), go(Letter, S::HyphenWord),
            go(Joiner, S::HyphenWord), go(Digit, S::HyphenNumWord), push(Is(b'-'), S::HyphenWordFirst),
            with(Extra::BackForParts, settled(Always, HWORD, S::SplitHyphen)),
        ] },
        S::HyphenNumWordFirst => const { &[pop(Eof), go(Letter, S::HyphenNumWord), go(Digit, S::HyphenDigits), pop(Always)] },
        S::HyphenNumWord => const { &[
            with(Extra::BackForParts, settled(Eof, NUMHWORD, S::SplitHyphen)), go(Alnum, S::HyphenNumWord),
            go(Joiner, S::HyphenNumWord), push(Is(b'-'), S::HyphenNumWordFirst),
            with(Extra::BackForParts, settled(Always, NUMHWORD, S::SplitHyphen)),
        ] },
        S::HyphenDigits => const { &[
            pop(Eof), go(Digit, S::HyphenDigits), go(Letter, S::HyphenNumWord), go(Joiner, S::HyphenNumWord), pop(Always),
        ] },
        S::SplitHyphen => const { &[
            again(Eof, S::Base), go(AsciiLetter, S::HyphenAsciiWordPart), go(Letter, S::HyphenWordPart),
            push(Digit, S::HyphenUnsignedInt), push(Is(b'-'), S::SplitHyphenHyphen), again(Always, S::Base),
        ] },
        S::SplitHyphenHyphen => const { &[
            pop(Eof), proven(Alnum, BLANK, S::SplitHyphen), proven(Joiner, BLANK, S::SplitHyphen), pop(Always),
        ] },
        S::HyphenWordPart => const { &[
            found(Eof, HWORD_PART, S::Base), go(Letter, S::HyphenWordPart), go(Joiner, S::HyphenWordPart),
            go(Digit, S::HyphenNumWordPart), found(Always, HWORD_PART, S::SplitHyphen),
        ] },
        S::HyphenAsciiWordPart => const { &[
            found(Eof, HWORD_ASCIIPART, S::Base), go(AsciiLetter, S::HyphenAsciiWordPart), go(Letter, S::HyphenWordPart),
            go(Joiner, S::HyphenWordPart), go(Digit, S::HyphenNumWordPart), found(Always, HWORD_ASCIIPART, S::SplitHyphen),
        ] },
        S::HyphenNumWordPart => const { &[
            found(Eof, HWORD_NUMPART, S::Base), go(Alnum, S::HyphenNumWordPart), go(Joiner, S::HyphenNumWordPart),
            found(Always, HWORD_NUMPART, S::SplitHyphen),
        ] },
        S::HyphenUnsignedInt => const { &[
            pop(Eof), stay(Digit), clear(Letter, S::HyphenNumWordPart), clear(Joiner, S::HyphenNumWordPart), pop(Always),
        ] },
    }
}
