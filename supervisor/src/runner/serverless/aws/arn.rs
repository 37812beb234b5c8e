//! The parts of a function's name.

/// `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME:QUALIFIER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    whole: &'a str,
    /// The region that it lies in.
    pub region: &'a str,
    /// The account that it belongs to.
    pub account: &'a str,
    /// Its name.
    pub name: &'a str,
    qualifier: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes apart what the policy language has let pass; `None` for anything else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(8, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (_arn, _partition, _lambda) = (next()?, next()?, next()?);
        let (region, account, _function) = (next()?, next()?, next()?);
        let (name, qualifier) = (next()?, next()?);
        Some(Self { whole: text, region, account, name, qualifier })
    }

    /// The ARN without its qualifier.
    pub fn function(&self) -> &'a str {
        self.whole.rsplit_once(':').map_or(self.whole, |(function, _)| function)
    }

    /// The version or the alias.
    pub fn qualifier(&self) -> &'a str {
        self.qualifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_its_parts() {
        let arn = Arn::parse("arn:aws:lambda:eu-west-1:123456789012:function:resize:7").unwrap();
        assert_eq!((arn.region, arn.account, arn.name), ("eu-west-1", "123456789012", "resize"));
        assert_eq!(arn.function(), "arn:aws:lambda:eu-west-1:123456789012:function:resize");
        assert_eq!(arn.qualifier(), "7");
        assert_eq!(Arn::parse("arn:aws:lambda:eu-west-1:123456789012:function:resize"), None);
    }
}
