//! The decision: which addresses a destination may be connected to, and the connection to one of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stockade_policies::Egress;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::address::special;
use crate::destination::{Destination, Target};
use crate::own::is_own;
use crate::resolve::Resolver;
use crate::stop::{Failure, Refusal, Stop};

/// A host that does not answer by then is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses that are tried one after the other.
const TRIES: usize = 3;

/// Connects to a destination that the policy allows, at an address that it allows.
pub(crate) async fn connect(
    egress: &Egress,
    resolver: &Resolver,
    destination: &Destination,
) -> Result<(TcpStream, IpAddr), Stop> {
    let port = destination.port;
    let addresses = match &destination.target {
        Target::Address(address) if egress.names(*address, port) => vec![*address],
        Target::Address(_) => return Err(Refusal::NotListed.into()),
        Target::Name(name) if egress.permits(name, port) => {
            let found = resolver.addresses(name).await?;
            approved(found, |address| egress.names(address, port))?
        }
        Target::Name(_) => return Err(Refusal::NotListed.into()),
    };
    try_each(&addresses, port).await
}

/// Those of a name's addresses that may be connected to: a policy names the address itself, or it is one of a host on the
/// public internet, and not this host.
///
/// # Errors
/// [`Stop`] says why the first may not, if none may.
pub fn approved(found: Vec<IpAddr>, named: impl Fn(IpAddr) -> bool) -> Result<Vec<IpAddr>, Stop> {
    allowed(found, |address| if named(address) { Ok(address) } else { judge(address) })
}

/// Those that pass; why the first one does not, if none does. That it is refused comes before that it cannot be judged.
fn allowed(found: Vec<IpAddr>, judge: impl Fn(IpAddr) -> Result<IpAddr, Stop>) -> Result<Vec<IpAddr>, Stop> {
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().map(judge).partition(Result::is_ok);
    let good: Vec<IpAddr> = good.into_iter().flatten().collect();
    if !good.is_empty() {
        return Ok(good);
    }
    let (refused, failed): (Vec<_>, Vec<_>) =
        bad.into_iter().filter_map(Result::err).partition(|stop| matches!(stop, Stop::Refused(_)));
    let nowhere = || Failure::Lookup("it has no address".to_owned()).into();
    Err(refused.into_iter().chain(failed).next().unwrap_or_else(nowhere))
}

fn judge(address: IpAddr) -> Result<IpAddr, Stop> {
    match special(address) {
        Some(kind) => Err(Refusal::Special { address, kind }.into()),
        None => match is_own(address) {
            Ok(false) => Ok(address),
            Ok(true) => Err(Refusal::OwnAddress(address).into()),
            Err(error) => Err(Failure::Connect(address, error).into()),
        },
    }
}

/// Connects to the first that answers. The addresses are those that were judged; no name is looked up again.
async fn try_each(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, IpAddr), Stop> {
    let mut failure = Failure::TooSlow(PATIENCE);
    for address in addresses.iter().take(TRIES) {
        match timeout(PATIENCE, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok((stream, *address));
            }
            Ok(Err(error)) => failure = Failure::Connect(*address, error),
            Err(_) => failure = Failure::TooSlow(PATIENCE),
        }
    }
    Err(failure.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_that_do_not_pass_are_left_out_and_without_any_other_the_name_is_refused() {
        let unreachable = |address| Failure::Connect(address, std::io::ErrorKind::NetworkUnreachable.into());
        let judge = |address: IpAddr| match address {
            IpAddr::V4(_) if special(address).is_none() => Ok(address),
            IpAddr::V4(_) => judge(address),
            IpAddr::V6(_) => Err(unreachable(address).into()),
        };
        let found = ["127.0.0.1", "203.0.113.200", "169.254.169.254", "2001:db8::9"].map(ip).to_vec();
        assert_eq!(allowed(found, judge).unwrap(), [ip("203.0.113.200")]);
        let refused = allowed(["2001:db8::9", "169.254.169.254"].map(ip).to_vec(), judge).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("169.254.169.254, which is the cloud's metadata service"), "{refused}");
        let failed = allowed(vec![ip("2001:db8::9")], judge);
        assert!(matches!(failed, Err(Stop::Failed(Failure::Connect(..)))));
        assert!(matches!(allowed(Vec::new(), judge), Err(Stop::Failed(Failure::Lookup(_)))));
    }

    #[test]
    fn an_address_that_is_named_passes_and_its_neighbour_does_not() {
        let found = ["127.0.0.1", "127.0.0.2"].map(ip).to_vec();
        assert_eq!(approved(found.clone(), |address| address == ip("127.0.0.2")).unwrap(), [ip("127.0.0.2")]);
        assert!(approved(found, |_| false).is_err());
    }
}
