//! Tokens as PostgreSQL 15 cuts them.

use super::*;

fn parse(text: &str) -> Vec<(u8, &str)> {
    Parser::new(text).map(|t| (t.kind, t.text)).collect()
}

#[test]
fn words_and_numbers() {
    use token::*;
    assert_eq!(parse("cat 42"), [(ASCIIWORD, "cat"), (BLANK, " "), (UINT, "42")]);
    assert_eq!(parse("-1.5e3"), [(SFLOAT, "-1.5e3")]);
    assert_eq!(parse("8.4.1"), [(VERSION, "8.4.1")]);
    assert_eq!(parse("чай"), [(WORD, "чай")]);
}

#[test]
fn hyphenated_words_come_whole_and_in_parts() {
    use token::*;
    assert_eq!(
        parse("up-to-date"),
        [
            (ASCIIHWORD, "up-to-date"),
            (HWORD_ASCIIPART, "up"),
            (BLANK, "-"),
            (HWORD_ASCIIPART, "to"),
            (BLANK, "-"),
            (HWORD_ASCIIPART, "date"),
        ]
    );
}

#[test]
fn addresses() {
    use token::*;
    assert_eq!(
        parse("http://example.com/a?b=1"),
        [(PROTOCOL, "http://"), (URL, "example.com/a?b=1"), (HOST, "example.com"), (URL_PATH, "/a?b=1"),]
    );
    assert_eq!(parse("joe@example.com"), [(EMAIL, "joe@example.com")]);
    assert_eq!(parse("/usr/local/x.txt"), [(FILE, "/usr/local/x.txt")]);
}

/// The machine alone, at one depth down, finds the same tokens as with the way past it.
#[test]
fn plain_tokens_are_the_machines() {
    let pieces = [
        "a",
        "cat",
        "Z",
        "1",
        "42",
        " ",
        "  ",
        ".",
        ",",
        "-",
        "_",
        "@",
        ":",
        "/",
        "<",
        ">",
        "+",
        "&",
        "~",
        "e",
        "é",
        "\n",
        "\"",
        "(",
        "'",
        "www",
        "com",
        ";",
        "#",
        "x",
        "http://",
        "<script>",
        "</script>",
        "ж",
        "%",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % n
    };
    for _ in 0..20_000 {
        let text: String = (0..1 + below(12)).map(|_| pieces[below(pieces.len())]).collect();
        let machine: Vec<_> = Parser::in_state(&text, State::Base, 1).map(|t| (t.kind, t.text)).collect();
        assert_eq!(parse(&text), machine, "{text:?}");
    }
}
