//! Functions on access control lists.

use super::{Answer, Call};
use crate::acl::{AclItem, AclObject, Privilege, default_acl};
use crate::arrays;
use quarry_common::{Result, bail};
use quarry_types::Datum;

pub(super) const ANSWERS: &[(&str, Answer)] =
    &[("acldefault", acldefault), ("makeaclitem", makeaclitem), ("aclcontains", aclcontains)];

fn acldefault(c: &Call<'_>) -> Result<Datum> {
    let letter = c.text(0).chars().next().unwrap_or('\0');
    let Some(kind) = AclObject::from_letter(letter) else {
        bail!(INTERNAL_ERROR, "unrecognized objtype abbreviation: {letter}")
    };
    Ok(arrays::acl_array(&default_acl(kind, c.oid(1))))
}

/// Bits of a list of privilege names.
fn privileges(list: &str) -> Result<u16> {
    let mut bits = 0;
    for word in list.split(',') {
        match Privilege::from_name(word.trim()) {
            Some(p) => bits |= p.bit(),
            None => bail!(INVALID_PARAMETER_VALUE, "unrecognized privilege type: \"{}\"", word.trim()),
        }
    }
    Ok(bits)
}

fn makeaclitem(c: &Call<'_>) -> Result<Datum> {
    let bits = privileges(c.text(2))?;
    let item = AclItem {
        grantee: c.oid(0),
        grantor: c.oid(1),
        privileges: bits,
        grant_options: if c.bool(3) { bits } else { 0 },
    };
    Ok(item.to_datum())
}

fn aclcontains(c: &Call<'_>) -> Result<Datum> {
    let items = arrays::acl_of(&c.args[0]).unwrap_or_default();
    let wanted = AclItem::of(&c.args[1]);
    Ok(Datum::Bool(items.iter().any(|i| {
        i.grantee == wanted.grantee
            && i.grantor == wanted.grantor
            && i.privileges & wanted.privileges == wanted.privileges
            && i.grant_options & wanted.grant_options == wanted.grant_options
    })))
}
