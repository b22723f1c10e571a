// SPDX-License-Identifier: GPL-2.0

pub use kernel::error::code::{
    ENETDOWN,
    EOPNOTSUPP,
    EREMOTE, //
};
