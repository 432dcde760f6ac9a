//! Privileges and access control lists: `aclitem`, defaults, granting, revoking. Follows PostgreSQL's utils/adt/acl.c in behaviour.
//!
//! Items hold OIDs; names appear only in text, so renaming a role changes no list.

use quarry_common::Oid;
pub use quarry_types::aclitem::AclItem;

/// One privilege; the value is its bit in an [`AclItem`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum Privilege {
    Insert = 1,
    Select = 1 << 1,
    Update = 1 << 2,
    Delete = 1 << 3,
    Truncate = 1 << 4,
    References = 1 << 5,
    Trigger = 1 << 6,
    Execute = 1 << 7,
    Usage = 1 << 8,
    Create = 1 << 9,
    Temporary = 1 << 10,
    Connect = 1 << 11,
    Set = 1 << 12,
    AlterSystem = 1 << 13,
}

/// Every privilege with its letter and its name, in the order `aclitem` prints them.
pub const PRIVILEGES: [(Privilege, char, &str); 14] = [
    (Privilege::Insert, 'a', "INSERT"),
    (Privilege::Select, 'r', "SELECT"),
    (Privilege::Update, 'w', "UPDATE"),
    (Privilege::Delete, 'd', "DELETE"),
    (Privilege::Truncate, 'D', "TRUNCATE"),
    (Privilege::References, 'x', "REFERENCES"),
    (Privilege::Trigger, 't', "TRIGGER"),
    (Privilege::Execute, 'X', "EXECUTE"),
    (Privilege::Usage, 'U', "USAGE"),
    (Privilege::Create, 'C', "CREATE"),
    (Privilege::Temporary, 'T', "TEMPORARY"),
    (Privilege::Connect, 'c', "CONNECT"),
    (Privilege::Set, 's', "SET"),
    (Privilege::AlterSystem, 'A', "ALTER SYSTEM"),
];

impl Privilege {
    /// Its bit.
    pub const fn bit(self) -> u16 {
        self as u16
    }
    /// From its name in any case ("select", "TEMP").
    pub fn from_name(name: &str) -> Option<Privilege> {
        if name.eq_ignore_ascii_case("temp") {
            return Some(Privilege::Temporary);
        }
        PRIVILEGES.iter().find(|(_, _, n)| n.eq_ignore_ascii_case(name)).map(|p| p.0)
    }
    /// The name in upper case.
    pub fn name(self) -> &'static str {
        PRIVILEGES.iter().find(|(p, _, _)| *p == self).map_or("", |p| p.2)
    }
}

/// What privileges on `kind` objects there are, and who has them by default.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AclObject {
    Column,
    Relation,
    Sequence,
    Database,
    Function,
    Language,
    LargeObject,
    Schema,
    Tablespace,
    ForeignDataWrapper,
    ForeignServer,
    Type,
    Parameter,
}

impl AclObject {
    /// From the letter that `acldefault` and `pg_default_acl` use.
    pub fn from_letter(c: char) -> Option<AclObject> {
        Some(match c {
            'c' => AclObject::Column,
            'r' => AclObject::Relation,
            's' | 'S' => AclObject::Sequence,
            'd' => AclObject::Database,
            'f' => AclObject::Function,
            'l' => AclObject::Language,
            'L' => AclObject::LargeObject,
            'n' => AclObject::Schema,
            't' => AclObject::Tablespace,
            'F' => AclObject::ForeignDataWrapper,
            'T' => AclObject::Type,
            'p' => AclObject::Parameter,
            _ => return None,
        })
    }
    /// All privileges that make sense: what the owner has and what ALL PRIVILEGES means.
    pub const fn all(self) -> u16 {
        use Privilege as P;
        match self {
            AclObject::Column => {
                P::Insert as u16 | P::Select as u16 | P::Update as u16 | P::References as u16
            }
            AclObject::Relation => 0x7f,
            AclObject::Sequence => P::Select as u16 | P::Update as u16 | P::Usage as u16,
            AclObject::Database => P::Create as u16 | P::Temporary as u16 | P::Connect as u16,
            AclObject::Function => P::Execute as u16,
            AclObject::LargeObject => P::Select as u16 | P::Update as u16,
            AclObject::Schema => P::Usage as u16 | P::Create as u16,
            AclObject::Tablespace => P::Create as u16,
            AclObject::Language
            | AclObject::ForeignDataWrapper
            | AclObject::ForeignServer
            | AclObject::Type => P::Usage as u16,
            AclObject::Parameter => P::Set as u16 | P::AlterSystem as u16,
        }
    }
    /// What PUBLIC has when nothing was granted or revoked.
    pub const fn public_default(self) -> u16 {
        use Privilege as P;
        match self {
            AclObject::Database => P::Temporary as u16 | P::Connect as u16,
            AclObject::Function => P::Execute as u16,
            AclObject::Language | AclObject::Type => P::Usage as u16,
            _ => 0,
        }
    }
}

/// The item as text, `grantee=arw*/grantor`; `name` gives a role's name unquoted.
pub fn item_text(item: &AclItem, name: &dyn Fn(Oid) -> String) -> String {
    let mut out = String::new();
    if item.grantee.is_valid() {
        out.push_str(&quote_role(&name(item.grantee)));
    }
    out.push('=');
    for (p, letter, _) in PRIVILEGES {
        if item.privileges & p.bit() != 0 {
            out.push(letter);
        }
        if item.grant_options & p.bit() != 0 {
            out.push('*');
        }
    }
    out.push('/');
    out.push_str(&quote_role(&name(item.grantor)));
    out
}

/// Quotes a role's name inside an aclitem's text.
fn quote_role(name: &str) -> String {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The list that stands for NULL.
pub fn default_acl(object: AclObject, owner: Oid) -> Vec<AclItem> {
    let mut out = Vec::new();
    let item = |grantee, privileges| AclItem { grantee, grantor: owner, privileges, grant_options: 0 };
    if object.public_default() != 0 {
        out.push(item(Oid::INVALID, object.public_default()));
    }
    if object != AclObject::Column && object.all() != 0 {
        out.push(item(owner, object.all()));
    }
    out
}

/// Grants `privileges` (and, with `option`, the right to pass them on) to one grantee.
pub fn grant(acl: &mut Vec<AclItem>, grantee: Oid, grantor: Oid, privileges: u16, option: bool) {
    let options = if option { privileges } else { 0 };
    match acl.iter_mut().find(|i| i.grantee == grantee && i.grantor == grantor) {
        Some(i) => {
            i.privileges |= privileges;
            i.grant_options |= options;
        }
        None => acl.push(AclItem { grantee, grantor, privileges, grant_options: options }),
    }
}

/// Takes `privileges` (or only their grant options) away from one grantee, and with `cascade` what that one granted on.
/// Answers false if others depend on it and `cascade` isn't set.
#[must_use]
pub fn revoke(
    acl: &mut Vec<AclItem>,
    grantee: Oid,
    grantor: Oid,
    owner: Oid,
    privileges: u16,
    option_only: bool,
    cascade: bool,
) -> bool {
    let mut lost = 0;
    if let Some(i) = acl.iter_mut().find(|i| i.grantee == grantee && i.grantor == grantor) {
        lost = i.grant_options & privileges;
        i.grant_options &= !privileges;
        if !option_only {
            i.privileges &= !privileges;
        }
    }
    acl.retain(|i| i.privileges != 0);
    // What the grantee can still grant through other entries keeps its dependents alive.
    let kept = acl.iter().filter(|i| i.grantee == grantee).fold(0, |all, i| all | i.grant_options);
    let lost = if grantee == owner { 0 } else { lost & !kept };
    if lost == 0 || !grantee.is_valid() {
        return true;
    }
    let dependents: Vec<AclItem> =
        acl.iter().filter(|i| i.grantor == grantee && i.privileges & lost != 0).copied().collect();
    if !dependents.is_empty() && !cascade {
        return false;
    }
    dependents.iter().all(|d| revoke(acl, d.grantee, d.grantor, owner, lost & d.privileges, false, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        let i = AclItem { grantee: Oid(0), grantor: Oid(10), privileges: 0b110, grant_options: 0b10 };
        assert_eq!(item_text(&i, &|_| "a b".into()), "=r*w/\"a b\"");
        let d = default_acl(AclObject::Database, Oid(10));
        let text: Vec<String> = d.iter().map(|i| item_text(i, &|_| "postgres".into())).collect();
        assert_eq!(text, ["=Tc/postgres", "postgres=CTc/postgres"]);
    }

    #[test]
    fn revoking_a_grant_option_follows_the_chain() {
        let mut acl = default_acl(AclObject::Relation, Oid(10));
        grant(&mut acl, Oid(20), Oid(10), 2, true);
        grant(&mut acl, Oid(30), Oid(20), 2, false);
        let mut kept = acl.clone();
        assert!(!revoke(&mut kept, Oid(20), Oid(10), Oid(10), 2, false, false));
        assert!(revoke(&mut acl, Oid(20), Oid(10), Oid(10), 2, false, true));
        assert_eq!(acl.len(), 1);
    }
}
