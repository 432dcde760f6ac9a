//! What the heap's WAL records carry: each record's fields, written and read in one place. Numbers are as short as they can be
//! ([`crate::varint`]): most records are about one row, and few of their fields need a second byte.
//!
//! `vm` is the heap block whose all-visible bit and flag the change clears ([`NO_VM`]: neither was set).

use super::tuple::{PAIRED, XID_MAX};
use crate::page::slotted::{PayloadReader, PayloadWriter};
use quarry_common::{BlockNo, CommandId, Error, Result, Tid, Xid};

/// "No visibility map bit to clear".
pub const NO_VM: u32 = u32::MAX;

/// A block for the visibility map: mostly there is none, which takes one byte.
fn put_vm(out: &mut Vec<u8>, vm: BlockNo) {
    out.wvar(vm.wrapping_add(1));
}

/// Reads it off the begin of any of these records.
pub fn read_vm(r: &mut PayloadReader<'_>) -> Result<BlockNo> {
    Ok(r.var::<u32>()?.wrapping_sub(1))
}

fn read_xid(r: &mut PayloadReader<'_>) -> Result<Xid> {
    match Xid(r.var()?) {
        xid if xid <= XID_MAX => Ok(xid),
        xid => Err(Error::corrupted(format!("WAL record has transaction id {}", xid.0))),
    }
}

/// A new row; its body follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Insert {
    pub vm: BlockNo,
    pub slot: u16,
    pub flags: u16,
    pub command: CommandId,
    pub xmin: Xid,
}

impl Insert {
    /// Appends it and the row's body.
    pub fn write(&self, out: &mut Vec<u8>, body: &[u8]) {
        put_vm(out, self.vm);
        out.wvar(self.slot).wvar(self.flags).wvar(self.command.0).wvar(self.xmin.0).wbytes(body);
    }
    /// Reads what comes before the body.
    pub fn read(r: &mut PayloadReader<'_>) -> Result<Insert> {
        Ok(Insert {
            vm: read_vm(r)?,
            slot: r.var()?,
            flags: r.var()?,
            command: CommandId(r.var()?),
            xmin: read_xid(r)?,
        })
    }
}

/// New rows of one page; each follows as a [`NewRow`] with its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MultiInsert {
    pub vm: BlockNo,
    pub command: CommandId,
    pub xmin: Xid,
}

impl MultiInsert {
    pub fn write(&self, out: &mut Vec<u8>) {
        put_vm(out, self.vm);
        out.wvar(self.command.0).wvar(self.xmin.0);
    }
    pub fn read(r: &mut PayloadReader<'_>) -> Result<MultiInsert> {
        Ok(MultiInsert { vm: read_vm(r)?, command: CommandId(r.var()?), xmin: read_xid(r)? })
    }
}

/// One row of several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewRow<'a> {
    pub slot: u16,
    pub flags: u16,
    pub body: &'a [u8],
}

impl<'a> NewRow<'a> {
    pub fn write(&self, out: &mut Vec<u8>) {
        out.wvar(self.slot).wvar(self.flags).wvar(self.body.len() as u64).wbytes(self.body);
    }
    pub fn read(r: &mut PayloadReader<'a>) -> Result<NewRow<'a>> {
        let (slot, flags, len) = (r.var()?, r.var()?, r.var::<u16>()?);
        Ok(NewRow { slot, flags, body: r.bytes(len as usize)? })
    }
}

/// Who ends a version, and what its flags and those of the version after it become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Update {
    pub xid: Xid,
    /// Of the new version.
    pub command: CommandId,
    /// What the old one's header says: the same, but where `old_bits` has [`PAIRED`].
    pub old_command: CommandId,
    pub old_bits: u16,
    pub new_flags: u16,
}

impl Update {
    fn write(&self, out: &mut Vec<u8>) {
        out.wvar(self.xid.0).wvar(self.command.0).wvar(self.old_bits).wvar(self.new_flags);
        if self.old_bits & PAIRED != 0 {
            out.wvar(self.old_command.0);
        }
    }
    fn read(r: &mut PayloadReader<'_>) -> Result<Update> {
        let (xid, command) = (read_xid(r)?, CommandId(r.var()?));
        let (old_bits, new_flags) = (r.var()?, r.var()?);
        let old_command = if old_bits & PAIRED != 0 { CommandId(r.var()?) } else { command };
        Ok(Update { xid, command, old_command, old_bits, new_flags })
    }
}

/// An update whose new version is on the old one's page; what is between the equal begins and ends of their bodies follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpdateLocal {
    pub vm: BlockNo,
    /// The page's.
    pub block: BlockNo,
    pub old_slot: u16,
    pub new_slot: u16,
    pub update: Update,
    /// Bytes of the new body that equal the old one's, at its begin and at its end.
    pub prefix: u16,
    pub suffix: u16,
}

impl UpdateLocal {
    /// Appends it for a body.
    pub fn write(&self, out: &mut Vec<u8>, body: &[u8]) {
        put_vm(out, self.vm);
        out.wvar(self.block).wvar(self.old_slot).wvar(self.new_slot);
        self.update.write(out);
        out.wvar(self.prefix).wvar(self.suffix);
        out.wbytes(&body[self.prefix as usize..body.len() - self.suffix as usize]);
    }
    /// Reads what comes before the differing bytes.
    pub fn read(r: &mut PayloadReader<'_>) -> Result<UpdateLocal> {
        Ok(UpdateLocal {
            vm: read_vm(r)?,
            block: r.var()?,
            old_slot: r.var()?,
            new_slot: r.var()?,
            update: Update::read(r)?,
            prefix: r.var()?,
            suffix: r.var()?,
        })
    }
}

/// An update whose new version is on another page; its body follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpdateCross {
    pub vm_old: BlockNo,
    pub vm_new: BlockNo,
    pub old_slot: u16,
    pub new: Tid,
    pub update: Update,
}

impl UpdateCross {
    /// Appends it and the new body.
    pub fn write(&self, out: &mut Vec<u8>, body: &[u8]) {
        put_vm(out, self.vm_old);
        put_vm(out, self.vm_new);
        out.wvar(self.old_slot).wvar(self.new.block).wvar(self.new.slot);
        self.update.write(out);
        out.wbytes(body);
    }
    /// Reads what comes before the body.
    pub fn read(r: &mut PayloadReader<'_>) -> Result<UpdateCross> {
        Ok(UpdateCross {
            vm_old: read_vm(r)?,
            vm_new: read_vm(r)?,
            old_slot: r.var()?,
            new: Tid { block: r.var()?, slot: r.var()? },
            update: Update::read(r)?,
        })
    }
}

/// A version is deleted or locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetXmax {
    pub vm: BlockNo,
    pub slot: u16,
    pub bits: u16,
    pub xmax: Xid,
    /// What the header says afterwards, if the version ends.
    pub command: CommandId,
}

impl SetXmax {
    pub fn write(&self, out: &mut Vec<u8>) {
        put_vm(out, self.vm);
        out.wvar(self.slot).wvar(self.bits).wvar(self.xmax.0).wvar(self.command.0);
    }
    pub fn read(r: &mut PayloadReader<'_>) -> Result<SetXmax> {
        Ok(SetXmax {
            vm: read_vm(r)?,
            slot: r.var()?,
            bits: r.var()?,
            xmax: read_xid(r)?,
            command: CommandId(r.var()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let body = b"old begin, new middle, old end";
        let command = CommandId(300);
        let update =
            Update { xid: Xid(1 << 40), command, old_command: command, old_bits: 0x40, new_flags: 0x8000 };
        let mut out = Vec::new();
        let insert = Insert { vm: NO_VM, slot: 291, flags: 0x100, command: CommandId(0), xmin: Xid(7) };
        insert.write(&mut out, body);
        let mut r = PayloadReader::new(&out);
        assert_eq!((Insert::read(&mut r).unwrap(), r.rest()), (insert, &body[..]));

        let mut out = Vec::new();
        let many = MultiInsert { vm: u32::MAX - 1, command: CommandId(u32::MAX), xmin: XID_MAX };
        let row = NewRow { slot: 1, flags: 0, body: &[9; 300] };
        many.write(&mut out);
        row.write(&mut out);
        let mut r = PayloadReader::new(&out);
        assert_eq!((MultiInsert::read(&mut r).unwrap(), NewRow::read(&mut r).unwrap()), (many, row));

        let mut out = Vec::new();
        let local = UpdateLocal { vm: 0, block: 0, old_slot: 1, new_slot: 2, update, prefix: 11, suffix: 9 };
        local.write(&mut out, body);
        let mut r = PayloadReader::new(&out);
        assert_eq!((UpdateLocal::read(&mut r).unwrap(), r.rest()), (local, &b"new middle"[..]));

        let mut out = Vec::new();
        let new = Tid { block: 70_000, slot: 3 };
        let update = Update { old_command: CommandId(1), old_bits: PAIRED, ..update };
        let cross = UpdateCross { vm_old: NO_VM, vm_new: 70_000, old_slot: 5, new, update };
        cross.write(&mut out, body);
        let mut r = PayloadReader::new(&out);
        assert_eq!((UpdateCross::read(&mut r).unwrap(), r.rest()), (cross, &body[..]));

        let mut out = Vec::new();
        let end = SetXmax { vm: 5, slot: 6, bits: 0x70, xmax: Xid(8), command: CommandId(1) };
        end.write(&mut out);
        assert_eq!(SetXmax::read(&mut PayloadReader::new(&out)).unwrap(), end);
        assert!(SetXmax::read(&mut PayloadReader::new(&out[..out.len() - 1])).is_err());
        let mut out = Vec::new();
        SetXmax { xmax: Xid(XID_MAX.0 + 1), ..end }.write(&mut out);
        assert!(SetXmax::read(&mut PayloadReader::new(&out)).is_err());
    }
}
