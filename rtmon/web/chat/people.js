// Who is here: on the server, and in each room that one is in. Pure.

/** People remembered after they left, so that what they said keeps its author. */
const MOST = 2000;

/** The place that stands for the whole server. */
export const SERVER = "";

export class People {
  constructor() {
    /** Place → {members: client id → person, count}. */
    this.places = new Map();
    this.known = new Map();
    this.version = 0;
  }

  /** Everybody who is in a place: the answer to `presence`. */
  present(place, { members, count }) {
    this.version++;
    this.places.set(place, {
      members: new Map(members.map((member) => [member.client_id, this.#learn(member)])),
      count,
    });
  }

  /** Some came. Returns whether not all of them were named. */
  came({ room = SERVER, users, count, user_count }) {
    const place = this.#place(room, user_count);
    for (const user of users) place.members.set(user.client_id, this.#learn(user));
    return count > users.length;
  }

  /** Some went. Returns whether not all of them were named. */
  went({ room = SERVER, users, count, user_count }) {
    const place = this.#place(room, user_count);
    for (const user of users) place.members.delete(user.client_id);
    return count > users.length;
  }

  forget(place) {
    this.version++;
    this.places.delete(place);
  }

  /** What tells somebody from others, over all their connections. */
  key(clientId) {
    return this.known.get(clientId)?.key ?? clientId;
  }

  /** Somebody spoke: this is what they are called now. */
  heard(clientId, name) {
    const person = this.known.get(clientId);
    if (person ? person.name === name : !name) return;
    this.version++;
    this.#learn({ ...(person ?? {}), client_id: clientId, name });
  }

  /** The connection over which somebody can be reached; undefined if there is none. */
  reach(key) {
    return [...(this.places.get(SERVER)?.members.values() ?? [])].findLast(
      (each) => each.key === key,
    );
  }

  /** Those in a place by name, each once; and how many are not named. */
  list(place) {
    const found = this.places.get(place);
    if (!found) return { people: [], count: 0, more: 0 };
    const people = [
      ...new Map([...found.members.values()].map((each) => [each.key, each])).values(),
    ];
    people.sort((one, other) => one.name.localeCompare(other.name));
    return { people, count: found.count, more: Math.max(0, found.count - found.members.size) };
  }

  #place(room, count) {
    this.version++;
    const place = this.places.get(room) ?? { members: new Map(), count: 0 };
    place.count = count;
    this.places.set(room, place);
    return place;
  }

  #learn({ client_id, name, user, key }) {
    const person = this.known.get(client_id) ?? { id: client_id };
    person.name = name;
    person.key = user ?? key ?? client_id;
    this.known.delete(client_id);
    this.known.set(client_id, person);
    if (this.known.size > MOST) this.known.delete(this.known.keys().next().value);
    return person;
  }
}
