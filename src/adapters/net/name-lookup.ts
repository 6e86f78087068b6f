import type { LookupFunction } from 'node:net';
import type { NameCache } from '../../upstream/name-cache.ts';

/** Gives Node's own clients the addresses that the gateway's connections go to. */
export function nameLookup(names: NameCache): LookupFunction {
  return (host, options, callback) => {
    names.find(host, {
      onAddresses(addresses): void {
        const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
        const [first] = all;
        // Whoever asked has yet to listen for the outcome.
        process.nextTick(() => {
          if (options.all === true) callback(null, all);
          else callback(null, first!.address, first!.family);
        });
      },
      onNoAddress(why): void {
        process.nextTick(() => callback(new Error(`the name ${host} does not resolve (${why})`), ''));
      },
    });
  };
}
