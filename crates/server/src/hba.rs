//! Authentication rules in pg_hba.conf's format (PostgreSQL manual, chapter 21.1): the first line that matches decides.

use quarry_common::{Result, bail};
use std::net::IpAddr;

/// What a rule asks of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Trust,
    Reject,
    ScramSha256,
}

/// Which connections a rule is about.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Local,
    Host,
    HostSsl,
    HostNoSsl,
}

#[derive(Clone, Debug, PartialEq)]
enum Address {
    All,
    SameHost,
    Network {
        ip: IpAddr,
        prefix: u8,
    },
    /// A host name: matched by the words `localhost` only, as no names are resolved.
    Name(String),
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    kind: Kind,
    databases: Vec<String>,
    users: Vec<String>,
    address: Address,
    pub method: Method,
    /// Line in the file, from 1.
    pub line: usize,
}

/// A file's rules.
#[derive(Clone, Debug, Default)]
pub struct Hba {
    rules: Vec<Rule>,
}

/// What is written into a new data folder: trust from this machine, passwords from elsewhere.
pub const DEFAULT_FILE: &str = "\
# Who may connect, and how they prove who they are. The first line that matches decides.
# TYPE  DATABASE  USER  ADDRESS        METHOD (trust, scram-sha-256, reject)
local   all       all                  trust
host    all       all   127.0.0.1/32   trust
host    all       all   ::1/128        trust
host    all       all   all            scram-sha-256
";

/// A connection to be judged.
pub struct Client<'a> {
    pub database: &'a str,
    pub user: &'a str,
    pub address: IpAddr,
    pub ssl: bool,
    /// Whether the user is a member of this role.
    pub is_member: &'a dyn Fn(&str) -> bool,
}

impl Hba {
    /// Parses a file; an error names its line.
    pub fn parse(text: &str) -> Result<Hba> {
        let mut rules = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let fields = split_fields(line);
            if !fields.is_empty() {
                rules.push(parse_rule(&fields, i + 1)?);
            }
        }
        Ok(Hba { rules })
    }

    /// The first rule that matches; none: no entry, refused.
    pub fn find(&self, client: &Client<'_>) -> Option<&Rule> {
        self.rules.iter().find(|r| r.matches(client))
    }
}

/// Fields of a line: white space separates, quotes protect, `#` starts a comment, commas join lists.
fn split_fields(line: &str) -> Vec<Vec<String>> {
    let mut fields: Vec<Vec<String>> = vec![];
    let mut chars = line.chars().peekable();
    let mut join_next = false;
    while let Some(&c) = chars.peek() {
        if c == '#' {
            break;
        }
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        if c == ',' {
            chars.next();
            join_next = true;
            continue;
        }
        let mut word = String::new();
        let mut quoted = false;
        while let Some(&c) = chars.peek() {
            if c == '"' {
                quoted = !quoted;
            } else if !quoted && (c.is_whitespace() || c == ',' || c == '#') {
                break;
            } else {
                word.push(c);
            }
            chars.next();
        }
        match fields.last_mut() {
            Some(last) if join_next => last.push(word),
            _ => fields.push(vec![word]),
        }
        join_next = false;
    }
    fields
}

fn parse_rule(fields: &[Vec<String>], line: usize) -> Result<Rule> {
    let single = |f: &Vec<String>| f.first().cloned().unwrap_or_default();
    let kind = match single(&fields[0]).as_str() {
        "local" => Kind::Local,
        "host" | "hostnogssenc" => Kind::Host,
        "hostssl" => Kind::HostSsl,
        "hostnossl" => Kind::HostNoSsl,
        other => {
            bail!(CONFIG_FILE_ERROR, "invalid connection type \"{other}\" in line {line} of pg_hba.conf")
        }
    };
    let mut rest = fields[1..].iter();
    let mut next = |what: &str| match rest.next() {
        Some(f) => Ok(f.clone()),
        None => {
            bail!(CONFIG_FILE_ERROR, "end-of-line before {what} specification in line {line} of pg_hba.conf")
        }
    };
    let databases = next("database")?;
    let users = next("role")?;
    let mut method_field = None;
    let address = if kind == Kind::Local {
        Address::All
    } else {
        let text = single(&next("IP address")?);
        match parse_address(&text) {
            Some(Address::Network { ip, prefix }) if !text.contains('/') => {
                // A mask in a field of its own may follow; anything else is the method.
                let following = next("netmask")?;
                match single(&following).parse::<IpAddr>() {
                    Ok(mask) => Address::Network { ip, prefix: mask_bits(mask) },
                    Err(_) => {
                        method_field = Some(following);
                        Address::Network { ip, prefix }
                    }
                }
            }
            Some(address) => address,
            None => bail!(CONFIG_FILE_ERROR, "invalid IP address \"{text}\" in line {line} of pg_hba.conf"),
        }
    };
    let method = match method_field {
        Some(f) => single(&f),
        None => single(&next("authentication method")?),
    };
    let method = match method.as_str() {
        "trust" => Method::Trust,
        "reject" => Method::Reject,
        "scram-sha-256" => Method::ScramSha256,
        other => bail!(
            CONFIG_FILE_ERROR,
            "invalid authentication method \"{other}\" in line {line} of pg_hba.conf"
        ),
    };
    Ok(Rule { kind, databases, users, address, method, line })
}

fn parse_address(text: &str) -> Option<Address> {
    match text {
        "all" => return Some(Address::All),
        "samehost" | "samenet" => return Some(Address::SameHost),
        _ => {}
    }
    let (ip, prefix) = match text.split_once('/') {
        Some((ip, prefix)) => (ip.parse::<IpAddr>().ok()?, Some(prefix.parse::<u8>().ok()?)),
        None => match text.parse::<IpAddr>() {
            Ok(ip) => (ip, None),
            Err(_) => return Some(Address::Name(text.to_string())),
        },
    };
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(bits);
    (prefix <= bits).then_some(Address::Network { ip, prefix })
}

fn mask_bits(mask: IpAddr) -> u8 {
    match mask {
        IpAddr::V4(m) => u32::from(m).leading_ones() as u8,
        IpAddr::V6(m) => u128::from(m).leading_ones() as u8,
    }
}

fn in_network(ip: IpAddr, net: IpAddr, prefix: u8) -> bool {
    match (ip.to_canonical(), net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            u32::from(a) & mask == u32::from(b) & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    }
}

impl Rule {
    fn matches(&self, client: &Client<'_>) -> bool {
        let kind = match self.kind {
            Kind::Local => false,
            Kind::Host => true,
            Kind::HostSsl => client.ssl,
            Kind::HostNoSsl => !client.ssl,
        };
        kind && self.matches_address(client.address)
            && self.matches_database(client)
            && self.matches_user(client)
    }
    fn matches_address(&self, ip: IpAddr) -> bool {
        match &self.address {
            Address::All => true,
            Address::SameHost => ip.is_loopback(),
            Address::Network { ip: net, prefix } => in_network(ip, *net, *prefix),
            Address::Name(name) => name == "localhost" && ip.is_loopback(),
        }
    }
    fn matches_database(&self, client: &Client<'_>) -> bool {
        self.databases.iter().any(|d| match d.as_str() {
            "all" => true,
            "sameuser" => client.database == client.user,
            "samerole" | "samegroup" => (client.is_member)(client.database),
            name => name == client.database,
        })
    }
    fn matches_user(&self, client: &Client<'_>) -> bool {
        self.users.iter().any(|u| match u.strip_prefix('+') {
            Some(role) => (client.is_member)(role),
            None => u == "all" || u == client.user,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(hba: &Hba, database: &str, user: &str, ip: &str) -> Option<Method> {
        let client = Client {
            database,
            user,
            address: ip.parse().unwrap(),
            ssl: false,
            is_member: &|role| role == "staff",
        };
        hba.find(&client).map(|r| r.method)
    }

    #[test]
    fn first_match_decides() {
        let hba = Hba::parse(
            "# comment\n\
             host all bob 127.0.0.1/32 reject\n\
             host \"my db\",app all 10.0.0.0 255.0.0.0 scram-sha-256\n\
             host sameuser all ::1/128 trust\n\
             host all +staff 192.168.0.0/16 trust # office\n\
             hostssl all all all trust\n",
        )
        .unwrap();
        assert_eq!(method(&hba, "x", "bob", "127.0.0.1"), Some(Method::Reject));
        assert_eq!(method(&hba, "my db", "al", "10.2.3.4"), Some(Method::ScramSha256));
        assert_eq!(method(&hba, "other", "al", "10.2.3.4"), None);
        assert_eq!(method(&hba, "al", "al", "::1"), Some(Method::Trust));
        assert_eq!(method(&hba, "x", "al", "192.168.7.7"), Some(Method::Trust));
        assert_eq!(method(&hba, "x", "al", "8.8.8.8"), None);
    }

    #[test]
    fn the_default_file_parses_and_errors_name_the_line() {
        let hba = Hba::parse(DEFAULT_FILE).unwrap();
        assert_eq!(method(&hba, "postgres", "postgres", "127.0.0.1"), Some(Method::Trust));
        assert_eq!(method(&hba, "postgres", "postgres", "8.8.8.8"), Some(Method::ScramSha256));
        let e = Hba::parse("\nhost all all nowhere/99 trust").unwrap_err();
        assert!(e.message().contains("line 2"), "{e}");
    }
}
