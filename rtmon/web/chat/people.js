// Presence: the people on the server, and in each joined room. Pure.

/** Maximum number of people remembered after they left, so that messages keep their author. */
const REMEMBERED = 2_000;

/** Maximum number of people listed; the others are counted. */
const LISTED = 200;

/** The key of the whole server. */
export const SERVER = "";

/** "guest 2" comes before "guest 10". */
const inOrder = new Intl.Collator(undefined, { numeric: true }).compare;

/**
 * A person is `{id, name, user}`: `id` is the client id of a connection, `user` the user id.
 *
 * A client may claim any user id. So the first connection with a user id keeps it for its lifetime;
 * later connections that claim the same one are treated as other people.
 */
export class People {
  /** Place → {members: client id → person, count}. */
  #places = new Map([[SERVER, { members: new Map(), count: 0 }]]);
  /** User → the connection that is that user. */
  #holders = new Map();
  #known = new Map();
  #lists = new Map();

  /** Set the members of a place: the answer to `presence`. */
  present(place, { members, count }) {
    const people = members.map((member) => this.#learn(member));
    this.#places.set(place, { members: new Map(people.map((each) => [each.id, each])), count });
    if (place === SERVER) {
      for (const [user, id] of this.#holders) if (!this.isHere(id)) this.#holders.delete(user);
      for (const person of people) this.#hold(person);
    }
    this.#lists.clear();
  }

  /** Add members. Returns true if not all of them were named. */
  came({ room = SERVER, users, count, user_count: total }) {
    const { members } = this.#counted(room, total);
    for (const user of users) {
      const person = this.#learn(user);
      members.set(person.id, person);
      if (room === SERVER) this.#hold(person);
    }
    return count > users.length;
  }

  /** Remove members. Returns true if not all of them were named. */
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

  /** Record the author of a message, sent `now` or earlier, with the name of that time. */
  heard(id, name, { now = true } = {}) {
    const person = this.#known.get(id) ?? this.#learn({ client_id: id, name });
    if (!now || person.name === name) return;
    person.name = name;
    this.#lists.clear();
  }

  /** Record the sender of a private message as present, even if the member list is incomplete. */
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

  /** Return a person's key, which is the same for all connections of a user if that is known. */
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

  /** Return the client id by which a person can be reached; undefined if offline. */
  reach(key) {
    const id = this.#holders.get(key.replace(/^user /, "")) ?? key;
    return this.isHere(id) && this.key(id) === key ? id : undefined;
  }

  /** Return the members of a place by name as `{key, id, name}`, their number, and how many more. */
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
