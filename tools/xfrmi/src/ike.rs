// SPDX-License-Identifier: GPL-2.0

//! What charon knows of connections, over vici.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer, de::Error};

/// For how long an answer of charon's is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `list-sas` tells of an IKE_SA.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IkeSa {
    pub uniqueid: String,
    #[serde(default)]
    pub remote_id: String,
    /// Who the peer is if EAP has asked it.
    #[serde(default)]
    pub remote_eap_id: String,
    #[serde(default)]
    pub child_sas: BTreeMap<String, ChildSa>,
}

/// A CHILD_SA of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChildSa {
    pub uniqueid: String,
    pub state: String,
    #[serde(default, deserialize_with = "hex")]
    pub if_id_in: u32,
    #[serde(default, deserialize_with = "hex")]
    pub if_id_out: u32,
    #[serde(default)]
    pub remote_ts: Vec<String>,
}

fn hex<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    u32::from_str_radix(&text, 16).map_err(D::Error::custom)
}

/// All IKE_SAs that charon has, with the names of their connections.
pub async fn sas(vici: &Path) -> Result<Vec<(String, IkeSa)>> {
    tokio::time::timeout(PATIENCE, async {
        let mut client = rsvici::unix::connect(vici).await?;
        sas_of(&mut client).await
    })
    .await
    .context("charon does not answer")?
    .with_context(|| format!("vici, {}", vici.display()))
}

/// The same, over a connection that there is already.
pub async fn sas_of(client: &mut rsvici::Client) -> Result<Vec<(String, IkeSa)>> {
    use futures_util::{TryStreamExt, pin_mut};

    let stream = client.stream_request::<(), BTreeMap<String, IkeSa>>("list-sas", "list-sa", ());
    pin_mut!(stream);
    let mut found = Vec::new();
    while let Some(one) = stream.try_next().await? {
        found.extend(one);
    }
    Ok(found)
}

/// What the connections of each if_id are called; nothing where nobody answers.
pub fn names(vici: &Path) -> BTreeMap<u32, Vec<String>> {
    let mut names = BTreeMap::<u32, Vec<String>>::new();
    let found = runtime().and_then(|runtime| runtime.block_on(sas(vici)));
    for (name, ike) in found.unwrap_or_default() {
        for child in ike.child_sas.values() {
            for if_id in [child.if_id_in, child.if_id_out] {
                let known = names.entry(if_id).or_default();
                if if_id != 0 && !known.contains(&name) {
                    known.push(name.clone());
                }
            }
        }
    }
    names.remove(&0);
    names
}

/// What drives vici.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}
