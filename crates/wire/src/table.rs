//! Which schema version a frame names.

use std::collections::BTreeMap;

use crate::{contract::Contract, frame::SchemaRef, schemas};

/// The event's schema versions by the names that frames give them. Fingerprints of released versions are always
/// known; a registry's ids and GUIDs only as far as they are entered here, because no writer's schema is
/// believed that is not one of ours.
#[derive(Debug, Clone)]
pub struct SchemaTable {
    contract: &'static Contract,
    ids: BTreeMap<u32, u32>,
    guids: BTreeMap<[u8; 16], u32>,
}

/// A version was entered that was never released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no version {0} of the event's schema: see schemas/released/notification")]
pub struct UnknownVersion(pub u32);

impl Default for SchemaTable {
    fn default() -> Self {
        Self::of(&schemas::NOTIFICATION)
    }
}

impl SchemaTable {
    pub(crate) fn of(contract: &'static Contract) -> Self {
        Self { contract, ids: BTreeMap::new(), guids: BTreeMap::new() }
    }

    /// Reads what a registry numbers `id` as version `version` of the event's schema.
    ///
    /// # Errors
    /// The version was never released.
    pub fn with_confluent_id(mut self, id: u32, version: u32) -> Result<Self, UnknownVersion> {
        self.ids.insert(id, self.checked(version)?);
        Ok(self)
    }

    /// Reads what a registry names `guid` as version `version` of the event's schema.
    ///
    /// # Errors
    /// The version was never released.
    pub fn with_confluent_guid(mut self, guid: [u8; 16], version: u32) -> Result<Self, UnknownVersion> {
        self.guids.insert(guid, self.checked(version)?);
        Ok(self)
    }

    pub(crate) fn contract(&self) -> &'static Contract {
        self.contract
    }

    /// The version that a frame names, if it is known.
    pub(crate) fn version_of(&self, schema: SchemaRef) -> Option<u32> {
        match schema {
            SchemaRef::Fingerprint(fingerprint) => self.contract.version_of(fingerprint),
            SchemaRef::ConfluentId(id) => self.ids.get(&id).copied(),
            SchemaRef::ConfluentGuid(guid) => self.guids.get(&guid).copied(),
        }
    }

    fn checked(&self, version: u32) -> Result<u32, UnknownVersion> {
        if self.contract.has_version(version) { Ok(version) } else { Err(UnknownVersion(version)) }
    }
}
