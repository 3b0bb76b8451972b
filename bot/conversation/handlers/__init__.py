"""What the bot answers: routers, in the order in which they are asked."""

from aiogram import Router

from . import fallback, membership, start


def build_routers() -> list[Router]:
    """Return fresh routers: a router belongs to one dispatcher."""
    return [start.build_router(), membership.build_router(), fallback.build_router()]
