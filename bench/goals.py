# SPDX-License-Identifier: GPL-2.0
"""What our driver's costs are to be, as ratios to others."""

FAMILIES = ('IPv4', 'IPv6')
OURS, THEIRS = 'rust', 'c'


def against_c(group, variant, kind, limit):
    """A goal for what a measurement yields with our driver, relative to the C driver's."""
    return limit, (group, variant, kind, OURS), (group, variant, kind, THEIRS)


def goals():
    """Yields a name, a limit, and the results whose quotient has to be within it."""
    for family in FAMILIES:
        small = f'{family}, 64 bytes'
        yield f'transmit, external, {family}', *against_c('transmit', small, 'external', 0.62)
        yield f'transmit, static, {family}', *against_c('transmit', small, 'static', 0.62)
        yield f'forward, external, {family}', *against_c('forward', small, 'external', 0.72)
        yield f'transmit and receive, external, {family}', *against_c('both', small, 'external', 0.82)
        yield (f"receive, external, to C's static, {family}", 1.00,
               ('receive', small, 'external', OURS), ('receive', small, 'static', THEIRS))
    yield ('transmit, external, AES-GCM, 1400 bytes',
           *against_c('transmit aes', 'IPv4, 1400 bytes', 'external', 0.60))
    yield '16384 tenants in turn', *against_c('tenants', '16384 in turn', 'external', 1.03)
    yield "16384 tenants by Zipf's law", *against_c('tenants', "16384 by Zipf's law", 'external', 0.80)
    yield ('receive, one of 8000 devices, to one alone', 1.02,
           ('lookup', '8000 devices', 'static', OURS), ('lookup', '1 devices', 'static', OURS))
    for what in ('creating', 'deleting', 'memory'):
        yield f'a device: {what}', *against_c('devices', what, 'static', 1.00)
