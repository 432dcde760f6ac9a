//! Which rule applies to which field, for dates with times and for times alone.

use super::*;
use crate::datetime::lexer::FieldType;
use crate::datetime::tokens::{Kind, Unit};

/// What a value of only a date token turned out to be.
pub(super) enum Special {
    None,
    Is(Decoded),
}

impl Decoder<'_> {
    pub(super) fn date_time_field(
        &mut self,
        fields: &[Field],
        i: usize,
        special: &mut Special,
    ) -> Decode<Option<u32>> {
        let s = fields[i].text.as_str();
        let starts_with_digit = s.as_bytes()[0].is_ascii_digit();
        Ok(Some(match fields[i].ty {
            FieldType::Date => {
                if self.prefix == Some(Unit::Julian) {
                    let (jd, rest) = leading_int(s).map_err(|()| FieldOverflow)?;
                    if jd < 0 {
                        return Err(FieldOverflow);
                    }
                    self.set_julian(jd);
                    self.west = decode_zone(rest)?;
                    self.prefix = None;
                    DATE | TIME | TZ
                } else if self.prefix.is_some() || self.seen & (MONTH | DAY) == MONTH | DAY {
                    if starts_with_digit || self.prefix.is_some() {
                        if let Some(p) = self.prefix.take()
                            && p != Unit::Time
                        {
                            return Err(BadFormat);
                        }
                        self.time_with_zone(s, self.seen)?
                    } else {
                        self.named_zone(s)?
                    }
                } else {
                    self.date(s, self.seen)?
                }
            }
            FieldType::Time => {
                if let Some(p) = self.prefix.take()
                    && p != Unit::Time
                {
                    return Err(BadFormat);
                }
                self.set_time(s)?;
                if time_overflows(self.tm.hour, self.tm.minute, self.tm.second, self.tm.micros) {
                    return Err(FieldOverflow);
                }
                TIME
            }
            FieldType::Tz => {
                self.west = decode_zone(s)?;
                TZ
            }
            FieldType::Number => {
                if let Some(prefix) = self.prefix.take() {
                    *special = Special::None;
                    self.prefixed_number(s, prefix, self.seen)?
                } else {
                    let len = s.len();
                    match s.find('.') {
                        Some(_) if self.seen & DATE == 0 => self.date(s, self.seen)?,
                        Some(dot) if dot > 2 => self.number_field(s, self.seen)?,
                        _ if len >= 6 && (self.seen & DATE == 0 || self.seen & TIME == 0) => {
                            self.number_field(s, self.seen)?
                        }
                        _ => self.number(s, self.have_text_month, self.seen)?,
                    }
                }
            }
            FieldType::String | FieldType::Special => match self.zone_word(s)? {
                Ok(mask) => mask,
                Err(token) => match token {
                    Some((Kind::Ignore, _)) => return Ok(None),
                    Some((Kind::Reserved, v)) => {
                        // The last such word decides.
                        *special = Special::None;
                        match Unit::from_i32(v) {
                            Some(Unit::Now) => {
                                self.set_now(true);
                                DATE | TIME | TZ
                            }
                            Some(Unit::Yesterday) => {
                                self.set_relative_day(-1);
                                DATE
                            }
                            Some(Unit::Today) => {
                                self.set_relative_day(0);
                                DATE
                            }
                            Some(Unit::Tomorrow) => {
                                self.set_relative_day(1);
                                DATE
                            }
                            Some(Unit::Zulu) => {
                                self.tm.set_time(0);
                                self.west = 0;
                                TIME | TZ
                            }
                            Some(Unit::Epoch) => {
                                *special = Special::Is(Decoded::Epoch);
                                RESERVED
                            }
                            Some(Unit::Late) => {
                                *special = Special::Is(Decoded::Late);
                                RESERVED
                            }
                            Some(Unit::Early) => {
                                *special = Special::Is(Decoded::Early);
                                RESERVED
                            }
                            _ => return Err(BadFormat),
                        }
                    }
                    Some((Kind::Month, m)) => {
                        let mut mask = MONTH;
                        if self.seen & MONTH != 0
                            && !self.have_text_month
                            && self.seen & DAY == 0
                            && (1..=31).contains(&self.tm.month)
                        {
                            // The number taken for a month was the day.
                            self.tm.day = self.tm.month;
                            mask = DAY;
                        }
                        self.have_text_month = true;
                        self.tm.month = m;
                        mask
                    }
                    Some((Kind::Dow, _)) => DOW,
                    Some((Kind::Units, v)) => {
                        self.prefix = Unit::from_i32(v);
                        0
                    }
                    Some((Kind::IsoTime, _)) => {
                        if self.seen & DATE != DATE {
                            return Err(BadFormat);
                        }
                        self.iso_time(fields, i)?
                    }
                    None => match TimeZone::by_name(s) {
                        Some(z) => {
                            self.named = Some(NamedZone::Zone(z));
                            TZ
                        }
                        None => return Err(BadFormat),
                    },
                    _ => return Err(BadFormat),
                },
            },
        }))
    }

    pub(super) fn time_only_field(&mut self, fields: &[Field], i: usize) -> Decode<Option<u32>> {
        let s = fields[i].text.as_str();
        let last = fields.last().map(|f| f.ty);
        Ok(Some(match fields[i].ty {
            FieldType::Date => {
                if i == 0
                    && fields.len() >= 2
                    && (last == Some(FieldType::Date) || fields[1].ty == FieldType::Time)
                {
                    self.date(s, self.seen)?
                } else if s.as_bytes()[0].is_ascii_digit() {
                    if self.seen & TIME == TIME {
                        return Err(BadFormat);
                    }
                    let dash = s.find('-').ok_or(BadFormat)?;
                    self.west = decode_zone(&s[dash..])?;
                    self.number_field(&s[..dash], self.seen | DATE)? | TZ
                } else {
                    self.named_zone(s)?
                }
            }
            FieldType::Time => {
                // The "t" of an ISO time may precede.
                if let Some(p) = self.prefix.take()
                    && p != Unit::Time
                {
                    return Err(BadFormat);
                }
                self.set_time(s)?;
                TIME
            }
            FieldType::Tz => {
                self.west = decode_zone(s)?;
                TZ
            }
            FieldType::Number => {
                if let Some(prefix) = self.prefix.take() {
                    self.prefixed_number(s, prefix, self.seen)?
                } else {
                    let len = s.len();
                    match s.find('.') {
                        Some(_) if i == 0 && fields.len() >= 2 && last == Some(FieldType::Date) => {
                            self.date(s, self.seen)?
                        }
                        Some(dot) if dot > 2 => self.number_field(s, self.seen | DATE)?,
                        Some(_) => return Err(BadFormat),
                        None if len > 4 => self.number_field(s, self.seen | DATE)?,
                        None => self.number(s, false, self.seen | DATE)?,
                    }
                }
            }
            FieldType::String | FieldType::Special => match self.zone_word(s)? {
                Ok(mask) => mask,
                Err(token) => match token {
                    Some((Kind::Ignore, _)) => return Ok(None),
                    Some((Kind::Reserved, v)) => match Unit::from_i32(v) {
                        Some(Unit::Now) => {
                            let saved = self.tm;
                            self.set_now(false);
                            let now = self.tm;
                            self.tm =
                                CivilTime { year: saved.year, month: saved.month, day: saved.day, ..now };
                            TIME
                        }
                        Some(Unit::Zulu) => {
                            self.tm.set_time(0);
                            self.west = 0;
                            TIME | TZ
                        }
                        _ => return Err(BadFormat),
                    },
                    Some((Kind::Units, v)) => {
                        self.prefix = Unit::from_i32(v);
                        0
                    }
                    Some((Kind::IsoTime, _)) => self.iso_time(fields, i)?,
                    None => match TimeZone::by_name(s) {
                        Some(z) => {
                            self.named = Some(NamedZone::Zone(z));
                            TZ
                        }
                        None => return Err(BadFormat),
                    },
                    _ => return Err(BadFormat),
                },
            },
        }))
    }
}
