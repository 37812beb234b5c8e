//! Amounts with their unit: `512MiB`, `1m30s`.

/// A unit of size and its bytes.
const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
/// A unit of time and its seconds, the largest first.
const TIMES: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// What an amount measures, and the unit in which it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Kibibytes,
    Mebibytes,
    Seconds,
}

/// Why a text is no amount, and what was likely meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotAnAmount {
    pub(crate) reason: String,
    pub(crate) meant: Option<String>,
}

impl NotAnAmount {
    fn new(reason: impl Into<String>, meant: Option<String>) -> Self {
        Self { reason: reason.into(), meant }
    }
}

impl Unit {
    const fn bytes(self) -> u64 {
        match self {
            Self::Kibibytes => 1 << 10,
            Self::Mebibytes => 1 << 20,
            Self::Seconds => 1,
        }
    }

    /// What a text of this unit looks like.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Kibibytes | Self::Mebibytes => "a size such as `512MiB` or `1GiB`",
            Self::Seconds => "a time such as `90s`, `1m30s` or `2h`",
        }
    }

    /// A bare number with this unit.
    pub(crate) fn of_number(self, number: &str) -> String {
        match self {
            Self::Kibibytes => format!("{number}KiB"),
            Self::Mebibytes => format!("{number}MiB"),
            Self::Seconds => format!("{number}s"),
        }
    }

    /// `text` in this unit; nothing is ever rounded.
    pub(crate) fn parse(self, text: &str) -> Result<u64, NotAnAmount> {
        match self {
            Self::Seconds => time(text),
            Self::Kibibytes | Self::Mebibytes => self.size(text),
        }
    }

    fn size(self, text: &str) -> Result<u64, NotAnAmount> {
        let (number, suffix) = split(text);
        let Some((_, unit)) = SIZES.iter().find(|(name, _)| *name == suffix) else {
            return Err(no_size(number, suffix));
        };
        let bytes = whole(number).and_then(|number| number.checked_mul(*unit));
        let Some(bytes) = bytes else {
            return Err(NotAnAmount::new("is not a whole number with a unit", fraction(number, suffix)));
        };
        if !bytes.is_multiple_of(self.bytes()) {
            let up = (bytes / self.bytes() + 1).to_string();
            let reason = format!("is not a whole number of {}", self.of_number(""));
            return Err(NotAnAmount::new(reason, Some(self.of_number(&up))));
        }
        Ok(bytes / self.bytes())
    }

    /// `value` as a policy file writes it, in the largest unit that needs no fraction.
    pub(crate) fn show(self, value: u64) -> String {
        if self == Self::Seconds {
            return show_time(value);
        }
        let bytes = value.saturating_mul(self.bytes());
        let fit = SIZES.iter().rev().find(|(_, unit)| bytes.is_multiple_of(*unit) && bytes >= *unit);
        fit.map_or_else(
            || self.of_number(&value.to_string()),
            |(name, unit)| format!("{}{name}", bytes / unit),
        )
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Why `suffix` is no unit of size: powers of ten and a missing letter are what people mix up.
fn no_size(number: &str, suffix: &str) -> NotAnAmount {
    let word = suffix.trim_start();
    let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let letter = word.chars().next().filter(|_| letters).map(|c| c.to_ascii_uppercase());
    let near = letter.and_then(|letter| SIZES.iter().find(|(name, _)| name.starts_with(letter)));
    let meant = near.filter(|_| !number.is_empty()).map(|(name, _)| format!("{number}{name}"));
    let decimal = matches!(suffix, "kB" | "KB" | "MB" | "GB" | "TB");
    let reason = match (number.is_empty(), suffix.is_empty()) {
        (true, _) => "is not a size",
        (_, true) => "has no unit",
        _ if decimal => "has a decimal unit; sizes are in powers of 1024",
        _ => "has a unit that is not known",
    };
    NotAnAmount::new(reason, meant)
}

/// `1.5GiB` as `1536MiB`.
fn fraction(number: &str, suffix: &str) -> Option<String> {
    let index = SIZES.iter().position(|(name, _)| *name == suffix)?;
    let (smaller, _) = SIZES.get(index.checked_sub(1)?)?;
    let (whole, part) = number.split_once('.')?;
    let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let thousandths = whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part.parse().ok()?)?;
    let smaller_units = thousandths.checked_mul(1024)?;
    smaller_units.is_multiple_of(scale).then(|| format!("{}{smaller}", smaller_units / scale))
}

/// Numbers with `d`, `h`, `m` and `s`, each at most once, the larger ones first.
fn time(text: &str) -> Result<u64, NotAnAmount> {
    let mut rest = text;
    let mut units = TIMES.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (number, after) = split(rest);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (suffix, next) = after.split_at(end);
        let Some((_, seconds)) = units.by_ref().find(|(name, _)| *name == suffix) else {
            return Err(no_time(text, number, suffix));
        };
        total = whole(number)
            .and_then(|number| number.checked_mul(*seconds))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| NotAnAmount::new("is not whole numbers with units", None))?;
        rest = next;
    }
    if text.is_empty() { Err(NotAnAmount::new("is not a time", None)) } else { Ok(total) }
}

fn no_time(text: &str, number: &str, suffix: &str) -> NotAnAmount {
    let only = text.len() == number.len() + suffix.len() && !number.is_empty();
    let near = match suffix.trim() {
        "sec" | "secs" | "second" | "seconds" | "S" => Some("s"),
        "min" | "mins" | "minute" | "minutes" | "M" => Some("m"),
        "hr" | "hrs" | "hour" | "hours" | "H" => Some("h"),
        "day" | "days" | "D" => Some("d"),
        _ => None,
    };
    let reason = match suffix {
        "ms" | "us" | "ns" => "is finer than a second, in which limits of time are counted",
        "" if only => "has no unit",
        known if TIMES.iter().any(|(name, _)| *name == known) => {
            "does not go from the larger units to the smaller ones"
        }
        _ if number.is_empty() => "is not a time",
        _ => "has a unit that is not known",
    };
    NotAnAmount::new(reason, near.filter(|_| only).map(|near| format!("{number}{near}")))
}

fn show_time(seconds: u64) -> String {
    let mut rest = seconds;
    let mut text = String::new();
    for (name, unit) in TIMES {
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_exact() {
        for (unit, text, value) in [
            (Unit::Mebibytes, "512MiB", 512),
            (Unit::Mebibytes, "1GiB", 1024),
            (Unit::Mebibytes, "1024KiB", 1),
            (Unit::Kibibytes, "64KiB", 64),
            (Unit::Kibibytes, "1MiB", 1024),
            (Unit::Seconds, "90s", 90),
            (Unit::Seconds, "1m30s", 90),
            (Unit::Seconds, "2h", 7200),
            (Unit::Seconds, "1d1h1m1s", 90_061),
        ] {
            assert_eq!(unit.parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn a_slip_of_the_unit_leads_to_what_was_meant() {
        for (unit, text, meant) in [
            (Unit::Mebibytes, "512MB", Some("512MiB")),
            (Unit::Mebibytes, "512M", Some("512MiB")),
            (Unit::Mebibytes, "512mb", Some("512MiB")),
            (Unit::Mebibytes, "512 MiB", Some("512MiB")),
            (Unit::Mebibytes, "1.5GiB", Some("1536MiB")),
            (Unit::Mebibytes, "1536KiB", Some("2MiB")),
            (Unit::Mebibytes, "lots", None),
            (Unit::Mebibytes, "99999999999999999999GiB", None),
            (Unit::Seconds, "90sec", Some("90s")),
            (Unit::Seconds, "500ms", None),
            (Unit::Seconds, "30s1m", None),
            (Unit::Seconds, "1m1m", None),
            (Unit::Seconds, "1.5h", None),
            (Unit::Seconds, "", None),
        ] {
            assert_eq!(unit.parse(text).unwrap_err().meant.as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for unit in [Unit::Kibibytes, Unit::Mebibytes, Unit::Seconds] {
            for value in [0, 1, 59, 90, 1024, 1536, 3600, 1 << 20] {
                assert_eq!(unit.parse(&unit.show(value)), Ok(value), "{}", unit.show(value));
            }
        }
    }
}
