const ETHERTYPE_ARP = 0x0806;
const BROADCAST = Buffer.alloc(6, 0xff);

/**
 * Gratuitous ARP request (spec 14 §5): Ethernet frame to everybody, sender = target = the virtual address, target hardware
 * address ff:ff:ff:ff:ff:ff as keepalived sends it.
 */
export function gratuitousArp(hardwareAddress: Buffer, address: number): Buffer {
  const frame = Buffer.alloc(42);
  BROADCAST.copy(frame, 0);
  hardwareAddress.copy(frame, 6, 0, 6);
  frame.writeUInt16BE(ETHERTYPE_ARP, 12);
  frame.writeUInt16BE(1, 14); // Ethernet
  frame.writeUInt16BE(0x0800, 16);
  frame.writeUInt8(6, 18);
  frame.writeUInt8(4, 19);
  frame.writeUInt16BE(1, 20); // request
  hardwareAddress.copy(frame, 22, 0, 6);
  frame.writeUInt32BE(address, 28);
  BROADCAST.copy(frame, 32);
  frame.writeUInt32BE(address, 38);
  return frame;
}
