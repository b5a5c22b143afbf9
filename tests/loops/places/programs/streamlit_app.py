"""A Streamlit script: it runs from the top whenever a page is opened or something on it changes."""

import threading

import streamlit
from jobs import Jobs

from mainspring import BackgroundScheduler


@streamlit.cache_resource
def start() -> tuple[BackgroundScheduler, Jobs]:
    scheduler = BackgroundScheduler(timezone="UTC")
    jobs = Jobs()
    jobs.add_to(scheduler)
    scheduler.start()
    print("started")
    return scheduler, jobs


assert threading.current_thread() is not threading.main_thread()
scheduler, jobs = start()
jobs.wait()
jobs.check()
# Further jobs of each run of the script go to the same scheduler.
ours = Jobs()
ours.add_to(scheduler)
ours.wait()
ours.check(jobs.loop())
streamlit.text("ran")
