# SPDX-License-Identifier: GPL-2.0
"""What our driver may cost, relative to the C driver or to something else of the same run."""

FAMILIES = ('IPv4', 'IPv6')
OURS, THEIRS = 'rust', 'c'
# So many flows send one packet each between two packets of a flow that stays.
FLOODS = (64, 256, 1024)
# For which misses of caches are counted.
LOADS = tuple(f'{direction}, {count} {"tenant" if count == 1 else "tenants"}, {cpus} {"CPU" if cpus == 1 else "CPUs"}'
              for cpus in (1, 4)
              for direction, counts in (('sent', (1, 1024, 16384)), ('sent and received', (1, 1024)))
              for count in counts)


def against_c(limit, group, variant, kind):
    """A limit for what a measurement yields with our driver, relative to the C driver's."""
    return limit, (group, variant, kind, OURS), (group, variant, kind, THEIRS)


def against_policy(limit, group, variant, kind):
    """The same, relative to policy-based IPsec, in which neither driver takes part."""
    return limit, (group, variant, kind, OURS), (group, variant, 'policy', OURS)


def goals():
    """Yields a name, a limit, and the results whose quotient has to be within it."""
    for family in FAMILIES:
        small = f'{family}, 64 bytes'
        yield f'transmit, external, {family}', *against_c(0.62, 'transmit', small, 'external')
        yield (f'transmit, external, to policy-based (an aim), {family}',
               *against_policy(1.10, 'transmit', small, 'external'))
        yield f'transmit, static, {family}', *against_c(0.62, 'transmit', small, 'static')
        yield f'forward, external, {family}', *against_c(0.72, 'forward', small, 'external')
        yield (f'forward, external, to policy-based, {family}',
               *against_policy(1.00, 'forward', small, 'external'))
        yield (f"receive, external, to C's static, {family}", 1.00,
               ('receive', small, 'external', OURS), ('receive', small, 'static', THEIRS))
        yield f'transmit and receive, external, {family}', *against_c(0.82, 'both', small, 'external')
    yield ('transmit, external, AES-GCM, 1400 bytes, IPv4',
           *against_c(0.60, 'transmit aes', 'IPv4, 1400 bytes', 'external'))
    yield '64 tenants in turn', *against_c(0.63, 'tenants', '64 in turn', 'external')
    for flood in FLOODS:
        # What the C driver frees late is not counted in a flood.
        yield (f"64 tenants in turn, a flood of {flood} flows, to C's without", 0.65,
               ('tenants', f'64 in turn, a flood of {flood}', 'external', OURS),
               ('tenants', '64 in turn', 'external', THEIRS))
    yield '1024 tenants in turn', *against_c(0.63, 'tenants', '1024 in turn', 'external')
    yield '16384 tenants in turn', *against_c(0.70, 'tenants', '16384 in turn', 'external')
    yield "16384 tenants by Zipf's law", *against_c(0.70, 'tenants', "16384 by Zipf's law", 'external')
    for cipher in ('', ' aes'):
        for offload in ('no esp4_offload', 'esp4_offload'):
            for kind in ('static', 'external'):
                name = f'TCP, {kind}{", AES-GCM" if cipher else ""}, {offload}'
                yield name, *against_c(0.95, f'bulk{cipher}', f'TCP, one megabyte, {offload}', kind)
    for load in LOADS:
        for what in ('L1, instructions', 'L1, data', 'last level', 'from another CPU'):
            yield f'misses, {load}: {what}', *against_c(1.00, 'caches', f'{load}: {what}', 'external')
        # What they are is memory that was given back, and is somebody else's.
        yield (f'misses, {load}: lines of the driver',
               *against_c(0.01, 'caches', f'{load}: the same, of lines that the driver writes', 'external'))
    yield ('receive through one of 8000 devices, to one alone', 1.02,
           ('lookup', '8000 devices', 'static', OURS), ('lookup', '1 devices', 'static', OURS))
    for what in ('creating', 'deleting', 'memory'):
        yield f'a device: {what}', *against_c(1.00, 'devices', what, 'static')
