/** The same object but for some of its members. */
export const withChanges = <T extends object>(target: T, changes: Partial<T>): T =>
  new Proxy(target, {
    get: (from, name) => {
      const value: unknown = Reflect.get(name in changes ? changes : from, name);
      return typeof value === 'function' ? value.bind(from) : value;
    },
  });
