"""Every object the local HubSpot knows, in memory, with HubSpot's rules for merging, archiving and indexing."""

import copy
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]
ENGAGEMENTS = ("calls", "emails", "meetings", "notes", "tasks", "communications")
KINDS = ("contacts", "companies", "deals", *ENGAGEMENTS)
MODIFIED = {"contacts": "lastmodifieddate"}
_FIRST_ID = 501
PROPERTIES = {
    "contacts": ["createdate", "email", "firstname", "hs_additional_emails", "hs_merged_object_ids", "hs_object_id",
                 "hubspot_owner_id", "lastmodifieddate", "lastname", "lifecyclestage", "phone"],
    "companies": ["createdate", "domain", "hs_lastmodifieddate", "hs_merged_object_ids", "hs_object_id", "industry",
                  "name"],
    "deals": ["amount", "closedate", "createdate", "deal_currency_code", "dealname", "dealstage",
              "hs_lastmodifieddate", "hs_merged_object_ids", "hs_object_id", "hubspot_owner_id", "pipeline"],
    **{kind: ["hs_createdate", "hs_lastmodifieddate", "hs_object_id", "hs_timestamp", "hubspot_owner_id"]
       for kind in ENGAGEMENTS},
}  # fmt: skip
LIFECYCLES = (
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist",
)  # fmt: skip
TYPE_IDS = {("contacts", "companies"): 279, ("deals", "contacts"): 3, ("deals", "companies"): 341}


class Store:
    """Objects by kind and id. All access holds `lock`.

    Attributes:
        is_indexing: Whether a search sees a change at once; HubSpot's sees it some moments later. `index` catches up.
        clock: The server's time; `tick` moves it, and so does every change, by a millisecond.
        properties: Names by kind; more are made over HTTP.
        writes: Objects that were written over HTTP, each time they were.
        heard: What webhooks are to tell of contacts, one for each property that changed; `webhooks` sends them.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}
        self.searchable: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}
        self.merged: dict[tuple[str, str], str] = {}
        self.associations: dict[tuple[str, str, str], list[str]] = {}
        self.owners: dict[str, Object] = {}
        self.pipelines: dict[str, Object] = {}
        self.properties = {kind: list(names) for kind, names in PROPERTIES.items()}
        self.unique: dict[str, set[str]] = {"contacts": {"email"}}
        self.writes = 0
        self.heard: list[Object] = []
        self.is_indexing = True
        self._shift = timedelta(0)
        self._next_id = _FIRST_ID

    def clock(self) -> datetime:
        """Now, and a millisecond later at the next call."""
        self._shift += timedelta(milliseconds=1)
        return datetime.now(UTC) + self._shift

    def make(self, kind: str, **properties: str) -> Object:
        """A new object."""
        with self.lock:
            id_, now = str(self._next_id), _text(self.clock())
            self._next_id += 1
            created = "createdate" if kind in ("contacts", "companies", "deals") else "hs_createdate"
            body: Object = {
                "id": id_,
                "properties": {"hs_object_id": id_, created: now, **properties},
                "createdAt": now,
                "updatedAt": now,
                "archived": False,
            }
            self.objects[kind][id_] = body
            return self._touched(kind, body)

    def change(self, kind: str, id_: str, *, by: str = "CRM_UI", **properties: str) -> Object:
        """Other values of properties. A lifecycle stage does not step back, and HubSpot does not say that it did not.

        Args:
            by: `changeSource` of its webhooks: CRM_UI, or INTEGRATION for what came over HTTP.
        """
        with self.lock:
            body = self.objects[kind][id_]
            known = body["properties"]
            stage = properties.get("lifecyclestage")
            now = known.get("lifecyclestage")
            if stage in LIFECYCLES and now in LIFECYCLES and LIFECYCLES.index(stage) < LIFECYCLES.index(now):
                properties = {name: value for name, value in properties.items() if name != "lifecyclestage"}
            if "email" in properties:
                properties["email"] = properties["email"].lower()
            news = {name: value for name, value in properties.items() if (known.get(name) or "") != value}
            known |= news
            if kind == "contacts":
                self.heard += [self._news(id_, name, value, by) for name, value in news.items()]
            return self._touched(kind, body) if news else body

    def _news(self, id_: str, name: str, value: str, by: str) -> Object:
        self._next_id += 1
        return {
            "eventId": self._next_id, "subscriptionId": 1, "portalId": 62515, "appId": 54321,
            "occurredAt": int(self.clock().timestamp() * 1000), "subscriptionType": "contact.propertyChange",
            "attemptNumber": 0, "objectId": int(id_), "propertyName": name, "propertyValue": value,
            "changeSource": by, "sourceId": "54321" if by == "INTEGRATION" else "userId:9",
        }  # fmt: skip

    def by(self, kind: str, name: str, value: str) -> Object | None:
        """The living object with this value of a property that tells them apart; of addresses also a further one."""
        wanted = value.lower() if name == "email" else value
        for one in self.objects[kind].values():
            told = one["properties"]
            values = [told.get(name), *(told.get("hs_additional_emails", "").split(";") if name == "email" else [])]
            if not one["archived"] and wanted in values:
                return one
        return None

    def _touched(self, kind: str, body: Object) -> Object:
        now = _text(self.clock())
        body["updatedAt"] = now
        body["properties"][MODIFIED.get(kind, "hs_lastmodifieddate")] = now
        if self.is_indexing:
            self.searchable[kind][body["id"]] = copy.deepcopy(body)
        return body

    def index(self) -> None:
        """Let searches see everything."""
        with self.lock:
            for kind in KINDS:
                living = {id_: one for id_, one in self.objects[kind].items() if not one["archived"]}
                self.searchable[kind] = copy.deepcopy(living)

    def archive(self, kind: str, id_: str) -> None:
        """Put in the bin, where it stays for 90 days."""
        with self.lock:
            self.objects[kind][id_] |= {"archived": True, "archivedAt": _text(self.clock())}
            self._tell_gone(kind, id_, "deletion")
            self.searchable[kind].pop(id_, None)

    def purge(self, kind: str, id_: str) -> None:
        """Delete for good, as a request for erasure does."""
        with self.lock:
            del self.objects[kind][id_]
            self.searchable[kind].pop(id_, None)
            self._tell_gone(kind, id_, "privacyDeletion")

    def _tell_gone(self, kind: str, id_: str, how: str) -> None:
        if kind == "contacts":
            news = self._news(id_, "", "", "CRM_UI")
            told = {key: value for key, value in news.items() if not key.startswith("property")}
            self.heard.append(told | {"subscriptionType": f"contact.{how}"})

    def merge(self, kind: str, survivor: str, other: str) -> None:
        """The other's id is the survivor's from now on; values that the survivor lacks are taken over, and a contact is
        found by both addresses."""
        with self.lock:
            gone = self.objects[kind].pop(other)
            self.searchable[kind].pop(other, None)
            self.merged[kind, other] = survivor
            body = self.objects[kind][survivor]
            merged = [*filter(None, body["properties"].get("hs_merged_object_ids", "").split(";")), other]
            body["properties"] = gone["properties"] | body["properties"] | {"hs_merged_object_ids": ";".join(merged)}
            known = body["properties"]
            if kind == "contacts" and gone["properties"].get("email") not in (None, known.get("email")):
                also = [*filter(None, known.get("hs_additional_emails", "").split(";")), gone["properties"]["email"]]
                known["hs_additional_emails"] = ";".join(also)
            self._touched(kind, body)
            if kind == "contacts":
                news = self._news(survivor, "", "", "CRM_UI")
                told = {key: value for key, value in news.items() if not key.startswith("property")}
                self.heard.append(told | {
                    "subscriptionType": "contact.merge", "primaryObjectId": int(survivor),
                    "mergedObjectIds": [int(other)], "newObjectId": int(survivor),
                })  # fmt: skip

    def find(self, kind: str, id_: str) -> Object | None:
        """An object, or the survivor of one that was merged."""
        while (kind, id_) in self.merged:
            id_ = self.merged[kind, id_]
        return self.objects[kind].get(id_)

    def associate(self, kind: str, id_: str, to_kind: str, *to_ids: str) -> None:
        """Associate an object with exactly these of another kind; HubSpot does not always call that a change."""
        with self.lock:
            self.associations[kind, id_, to_kind] = list(to_ids)

    def make_owner(self, **given: Any) -> Object:
        """A user who owns objects."""
        with self.lock:
            id_, now = str(self._next_id), _text(self.clock())
            self._next_id += 1
            owner = {"id": id_, "email": f"owner{id_}@example.test", "firstName": "Ada", "lastName": "Owner",
                     "userId": int(id_), "createdAt": now, "updatedAt": now, "archived": False} | given  # fmt: skip
            self.owners[id_] = owner
            return owner

    def make_pipeline(self, id_: str, *stages: str) -> Object:
        """A pipeline of deals; its last stage is won."""
        with self.lock:
            now = _text(self.clock())
            pipeline = {
                "id": id_,
                "label": id_.title(),
                "displayOrder": len(self.pipelines),
                "createdAt": now,
                "updatedAt": now,
                "archived": False,
                "stages": [
                    {
                        "id": stage,
                        "label": stage.title(),
                        "displayOrder": place,
                        "metadata": {
                            "isClosed": str(place == len(stages) - 1).lower(),
                            "probability": "1.0" if place == len(stages) - 1 else "0.2",
                        },
                        "createdAt": now,
                        "updatedAt": now,
                        "archived": False,
                    }
                    for place, stage in enumerate(stages)
                ],
            }
            self.pipelines[id_] = pipeline
            return pipeline


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
