// SPDX-License-Identifier: GPL-2.0

pub use kernel::sync::rcu::{
    rcu_barrier,
    synchronize_rcu, //
};
