/**
 * Freezes the prototypes of all objects, in every thread that loads this first.
 *
 * Plain freezing would also forbid what is harmless: an object that gives itself a `toString` or `constructor` of its own. So each
 * property becomes a pair of accessors: on the prototype itself a write throws, on anything else it makes an own property.
 */
for (const { prototype } of [Object, Array, Map, Set, Function, String, RegExp, Promise]) {
  for (const key of prototype === Object.prototype ? Reflect.ownKeys(prototype) : []) {
    const { value, writable } = Object.getOwnPropertyDescriptor(prototype, key);
    if (writable !== true) continue;
    Object.defineProperty(prototype, key, {
      get: () => value,
      set(written) {
        if (this === prototype) throw new TypeError(`The prototype's own ${String(key)} is read only`);
        Object.defineProperty(this, key, { value: written, writable: true, enumerable: true, configurable: true });
      },
      configurable: false,
    });
  }
  Object.preventExtensions(prototype);
}
