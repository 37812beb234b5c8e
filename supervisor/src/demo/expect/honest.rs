//! Jobs that must get their work done. What they must come to is computed here, from the same orders.

use std::collections::BTreeMap;

use serde_json::json;

use super::{must, must_end_as};
use crate::demo::cases::{Judgement, ORDERS};
use crate::demo::observed::{Observed, Surroundings};
use crate::demo::web::RATES;

/// A line of the orders that is whole: country, category, and what it comes to in cents.
struct Order {
    country: &'static str,
    category: &'static str,
    cents: Option<u64>,
}

fn orders() -> impl Iterator<Item = Order> {
    ORDERS.lines().skip(1).filter_map(|line| {
        let fields: Vec<&'static str> = line.split(',').collect();
        let [_, _, country, _, category, quantity, price] = fields.as_slice() else { return None };
        Some(Order { country, category, cents: cents(quantity, price) })
    })
}

fn cents(quantity: &str, price: &str) -> Option<u64> {
    let (euros, cents) = price.split_once('.')?;
    let unit = euros.parse::<u64>().ok()? * 100 + cents.parse::<u64>().ok()?;
    Some(quantity.parse::<u64>().ok()? * unit)
}

fn euros(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// `summary.csv` and `result.json`, as the orders have it.
pub(in crate::demo) fn revenue(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "completed")?;
    let mut by_country: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for order in orders() {
        let Some(cents) = order.cents else { continue };
        let (count, sum) = by_country.entry(order.country).or_default();
        (*count, *sum) = (*count + 1, *sum + cents);
    }
    let mut lines: Vec<(&str, u64, u64)> =
        by_country.into_iter().map(|(country, (n, sum))| (country, n, sum)).collect();
    lines.sort_by_key(|(_, _, sum)| std::cmp::Reverse(*sum));
    let rows = lines.iter().map(|(country, count, sum)| format!("{country},{count},{}\r\n", euros(*sum)));
    let wanted = format!("country,orders,revenue_eur\r\n{}", rows.collect::<String>());
    let found = observed.output("summary.csv").and_then(|output| output.bytes.clone()).unwrap_or_default();
    must(found == wanted.as_bytes(), || "summary.csv is not what the orders come to".to_owned())?;
    let count: u64 = lines.iter().map(|(_, count, _)| count).sum();
    let total = euros(lines.iter().map(|(_, _, sum)| sum).sum());
    let skipped = ORDERS.lines().skip(1).count() - usize::try_from(count).unwrap_or(0);
    let result = json!({"orders": count, "skipped": skipped, "revenue_eur": total});
    let surfaced = observed.job.output_data.as_ref().and_then(|data| data.get("result"));
    must(surfaced == Some(&result), || format!("the result is {surfaced:?}, not {result}"))?;
    Ok(format!("nothing: summary.csv is right, {count} orders come to {total} EUR"))
}

/// The pipeline's output, as the orders have it.
pub(in crate::demo) fn categories(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "completed")?;
    let mut count: BTreeMap<&str, u64> = BTreeMap::new();
    for order in orders() {
        *count.entry(order.category).or_default() += 1;
    }
    let mut lines: Vec<(&str, u64)> = count.into_iter().collect();
    lines.sort_by_key(|(category, count)| (std::cmp::Reverse(*count), *category));
    let wanted: String = lines.iter().map(|(category, count)| format!("{category},{count}\n")).collect();
    let found = observed.stdout();
    must(found == wanted, || format!("it printed {found:?}, not {wanted:?}"))?;
    Ok(format!("nothing: {} categories counted right", lines.len()))
}

/// What the web service says, as the job's result.
pub(in crate::demo) fn rates(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "completed")?;
    let surfaced = observed.job.output_data.as_ref().and_then(|data| data.get("result"));
    let wanted = serde_json::from_str(RATES).ok();
    must(surfaced.is_some() && surfaced == wanted.as_ref(), || format!("the result is {surfaced:?}"))?;
    let first = observed.usage("time_to_first_byte_ms").ok_or("nothing was measured")?;
    Ok(format!("nothing: the rates are the web service's, its first byte came after {first:.1} ms"))
}

/// The container says what it is asked for, as nobody of the host's.
pub(in crate::demo) fn contained(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "completed")?;
    let result = observed.outputs.iter().find_map(|output| output.bytes.as_deref());
    let right = result.is_some_and(|bytes| bytes.starts_with(b"{\"six_times_seven\": 42}"));
    must(right, || "its result is not the one".to_owned())?;
    let uid = String::from_utf8_lossy(&observed.attempt.stdout.bytes).trim().to_owned();
    must(uid != "0" && !uid.is_empty(), || format!("it ran as `{uid}`"))?;
    Ok(format!("ran as id {uid} in a container without network; left its result"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orders_have_whole_lines_and_a_few_that_are_not() {
        assert!(orders().filter(|order| order.cents.is_some()).count() >= 100);
        assert!(orders().any(|order| order.cents.is_none()));
        assert!(orders().count() < ORDERS.lines().skip(1).count());
    }

    #[test]
    fn money_is_counted_in_cents() {
        assert_eq!(cents("3", "6.50"), Some(1950));
        assert_eq!(cents("", "6.50"), None);
        assert_eq!(euros(1905), "19.05");
    }
}
