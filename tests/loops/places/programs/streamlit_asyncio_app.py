"""A Streamlit script that starts an AsyncIOScheduler in its thread, whose loop nobody runs.

That loop is mainspring's, or one that Streamlit sets for the thread and closes with the session.
"""

import streamlit
from jobs import Jobs

from mainspring import AsyncIOScheduler


@streamlit.cache_resource
def make() -> tuple[AsyncIOScheduler, Jobs]:
    scheduler = AsyncIOScheduler(timezone="UTC")
    jobs = Jobs()
    jobs.add_to(scheduler)
    return scheduler, jobs


scheduler, jobs = make()
if not scheduler.running:
    scheduler.start()
    print("started")
# Sync jobs need no loop.
jobs.wait(kinds=["sync"])
streamlit.text("ran")
