//! Jobs that call a function.

use serde_json::json;

use super::{must, must_end_as};
use crate::demo::cases::{Judgement, ORDERS};
use crate::demo::observed::{Observed, Surroundings};

/// The function's result is what the orders have, and the record says that others confined it.
pub(in crate::demo) fn counted(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "completed")?;
    let orders = ORDERS.lines().skip(1).count();
    let result = json!({"orders": orders});
    let surfaced = observed.job.output_data.as_ref().and_then(|data| data.get("result"));
    must(surfaced == Some(&result), || format!("the result is {surfaced:?}, not {result}"))?;
    let state = observed.layer("isolation").unwrap_or_default();
    must(state == "delegated", || format!("its isolation is `{state}`"))?;
    let billed = observed.usage("billed_ms").ok_or("the function's report was not read")?;
    Ok(format!("nothing: a function on loopback counted {orders} orders, billed {billed} ms"))
}

/// A function that the policy does not name is not called.
pub(in crate::demo) fn not_granted(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "refused")?;
    let said = observed.error();
    must(said.contains("does not grant the function"), || format!("refused because {said}"))?;
    Ok(said.to_owned())
}
