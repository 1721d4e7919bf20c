"""Where we run: site profiles, the check of a request against them, scripts from templates."""

from ambs_hpc.sites.data_files import job_templates_folder, site_configs_folder
from ambs_hpc.sites.loading import check_site, load_site, site_names
from ambs_hpc.sites.profile import Launch, Node, Queue, Site, Tier, core_numbers

__all__ = [
    "Launch",
    "Node",
    "Queue",
    "Site",
    "Tier",
    "check_site",
    "core_numbers",
    "job_templates_folder",
    "load_site",
    "site_configs_folder",
    "site_names",
]
