// Who is here: on the server, and in each room that one is in. Pure.

/** People remembered after they left, so that what they said keeps its author. */
const REMEMBERED = 2_000;

/** People who are listed; the others are a number. */
const LISTED = 200;

/** The place that stands for the whole server. */
export const SERVER = "";

/** "guest 2" comes before "guest 10". */
const inOrder = new Intl.Collator(undefined, { numeric: true }).compare;

/**
 * A person is `{id, name, user}`: `id` is the connection, `user` whose it is, over all of them.
 *
 * Anybody may claim to be any user. So who comes first is that user for as long as the connection
 * lives; whoever claims the same meanwhile is somebody else.
 */
export class People {
  /** Place → {members: client id → person, count}. */
  #places = new Map([[SERVER, { members: new Map(), count: 0 }]]);
  /** User → the connection that is that user. */
  #holders = new Map();
  #known = new Map();
  #lists = new Map();

  /** Everybody who is in a place: the answer to `presence`. */
  present(place, { members, count }) {
    const people = members.map((member) => this.#learn(member));
    this.#places.set(place, { members: new Map(people.map((each) => [each.id, each])), count });
    if (place === SERVER) {
      for (const [user, id] of this.#holders) if (!this.isHere(id)) this.#holders.delete(user);
      for (const person of people) this.#hold(person);
    }
    this.#lists.clear();
  }

  /** Some came. Returns whether not all of them were named. */
  came({ room = SERVER, users, count, user_count: total }) {
    const { members } = this.#counted(room, total);
    for (const user of users) {
      const person = this.#learn(user);
      members.set(person.id, person);
      if (room === SERVER) this.#hold(person);
    }
    return count > users.length;
  }

  /** Some went. Returns whether not all of them were named. */
  went({ room = SERVER, users, count, user_count: total }) {
    const { members } = this.#counted(room, total);
    for (const { client_id: id } of users) {
      const user = members.get(id)?.user;
      members.delete(id);
      if (room !== SERVER || this.#holders.get(user) !== id) continue;
      this.#holders.delete(user);
      const next = [...members.values()].find((each) => each.user === user);
      if (next) this.#hold(next);
    }
    return count > users.length;
  }

  /** Somebody spoke, `now` or long ago, and was called this then. */
  heard(id, name, { now = true } = {}) {
    const person = this.#known.get(id) ?? this.#learn({ client_id: id, name });
    if (!now || person.name === name) return;
    person.name = name;
    this.#lists.clear();
  }

  /** Somebody speaks to oneself, and so is here, also where too many are here to be named. */
  met(id, name) {
    this.heard(id, name);
    this.#places.get(SERVER).members.set(id, this.#known.get(id));
    this.#hold(this.#known.get(id));
    this.#lists.clear();
  }

  forget(place) {
    this.#places.delete(place);
    this.#lists.clear();
  }

  /** What tells somebody from others; the same over all connections, where that can be known. */
  key(id) {
    const user = this.#known.get(id)?.user;
    const holder = this.#holders.get(user);
    return user !== undefined && (holder === undefined || holder === id) ? `user ${user}` : id;
  }

  name(id) {
    return this.#known.get(id)?.name ?? "somebody";
  }

  isHere(id) {
    return this.#places.get(SERVER).members.has(id);
  }

  /** The connection over which somebody can be reached; undefined if there is none. */
  reach(key) {
    const id = this.#holders.get(key.replace(/^user /, "")) ?? key;
    return this.isHere(id) && this.key(id) === key ? id : undefined;
  }

  /** Those in a place by name as `{key, id, name}`, how many there are, and how many more. */
  list(place) {
    if (!this.#lists.has(place)) this.#lists.set(place, this.#list(place));
    return this.#lists.get(place);
  }

  #list(place) {
    const { members, count } = this.#places.get(place) ?? { members: new Map(), count: 0 };
    const people = [...members.values()].sort((one, two) => inOrder(one.name, two.name));
    const listed = people.slice(0, LISTED).map(({ id, name }) => ({ key: this.key(id), id, name }));
    return { people: listed, count, more: Math.max(0, count - listed.length) };
  }

  #counted(room, count) {
    const place = this.#places.get(room) ?? { members: new Map() };
    place.count = count;
    this.#places.set(room, place);
    this.#lists.clear();
    return place;
  }

  #hold({ id, user }) {
    if (user !== undefined && !this.#holders.has(user)) this.#holders.set(user, id);
  }

  #learn({ client_id: id, name, user }) {
    const person = { id, name, user };
    this.#known.delete(id);
    this.#known.set(id, person);
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.keys().next().value);
    return person;
  }
}
